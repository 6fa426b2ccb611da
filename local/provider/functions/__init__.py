"""The deployed functions, and what is counted of each."""
