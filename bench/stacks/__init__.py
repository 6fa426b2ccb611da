"""A stack of a measurement's own, its functions, and what its processes cost."""
