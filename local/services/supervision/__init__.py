"""Keeps the parts of a stack running: starts them in order, probes them, starts them again."""
