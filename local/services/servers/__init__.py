"""The servers of others: how each is configured, and its command."""
