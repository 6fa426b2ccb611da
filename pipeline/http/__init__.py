"""What functions and consumers speak over HTTP: who calls, answers, problems, probes."""
