"""What the events say: their fields, what those may hold, and the dead letters."""
