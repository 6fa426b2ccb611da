"""What strangers may try, and what is then seen to hold."""
