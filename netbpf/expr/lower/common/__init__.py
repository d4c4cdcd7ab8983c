"""What means the same in both dialects, lowered over `lower.layers`."""
