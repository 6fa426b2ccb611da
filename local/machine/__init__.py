"""One machine as its kernel shows it: processes, ports, files, addresses."""
