"""What functions need beside the shared packages: lines, layers, and how they are made."""
