"""What is deployed: a function's spec, its secrets, and the copy its replicas run in."""
