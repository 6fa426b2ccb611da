"""API keys: what is known of each, how they come to be, and how they end."""
