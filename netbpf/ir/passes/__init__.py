"""The optimiser: passes from Program to Program, a file each, and their order."""
