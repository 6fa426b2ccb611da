"""Each process as a user of its own, where root starts the stack: numbers, files, and reach."""
