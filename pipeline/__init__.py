"""What every function and consumer must agree on."""
