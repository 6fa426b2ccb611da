"""What we are compared with: other engines, model servers and consumers."""
