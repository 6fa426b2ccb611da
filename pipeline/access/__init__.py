"""Who may do what in MinIO, Kafka and Redis: accounts, and what each service is told of them."""
