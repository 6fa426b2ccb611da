"""What make's targets do: up, down, status and what these share."""
