"""How much a function may have: memory, processors, replicas."""
