"""What our function and our consumer are compared with; run by the peers' own Python."""
