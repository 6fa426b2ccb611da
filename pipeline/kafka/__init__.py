"""Kafka: the topics, how events are sent and read, and how many of them wait."""
