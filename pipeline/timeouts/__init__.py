"""Who waits for whom, how long, and why longer than the one inside it."""
