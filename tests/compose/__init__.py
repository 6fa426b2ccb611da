"""The same tests on the system in containers: a compose project that tests reach from the host."""
