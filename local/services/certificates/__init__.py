"""Certificates of a local stack: its own authority, what it makes, and who keeps them good."""
