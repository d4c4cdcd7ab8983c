"""The filter language: from text to the IR."""
