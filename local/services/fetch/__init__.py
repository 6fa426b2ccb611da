"""What must be on the machine before a service can run: Debian's packages, Go, Kafka, MinIO."""
