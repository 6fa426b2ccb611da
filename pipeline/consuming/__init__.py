"""What consumers have in common: how far each partition is, crashes counted, waits, the group."""
