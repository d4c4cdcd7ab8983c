"""Protocol facts: numbers, header fields and link types, each with its source."""
