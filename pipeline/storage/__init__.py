"""Where bytes are kept: objects in MinIO, and results in Redis before it."""
