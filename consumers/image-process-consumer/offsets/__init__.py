"""How far each partition is, what its commit says of crashes, and how far ahead it is read."""
