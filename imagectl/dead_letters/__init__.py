"""`imagectl dead-letters`: what failed and why, tried again, or stepped over."""
