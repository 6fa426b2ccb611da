"""What tests alone switch on in a running process; off, and free, unless told."""
