"""Kafka: whether a broker is there, and whether a consumer group has members."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaException

from pipeline.errors import Unavailable
from pipeline.kafka import clients
from pipeline.settings import Settings


class BrokerProbe:
    """Answers whether Kafka is there and whether a consumer group has members."""

    def __init__(self, settings: Settings) -> None:
        self._timeout_seconds = settings.produce_timeout_seconds
        self._group = settings.consumer_group
        self._settings = settings
        self._client = clients.AdminClient(settings)
        self._group_client = clients.AdminClient(settings)

    def check_broker(self) -> None:
        """Ask for the cluster's metadata.

        Raises:
            Unavailable: no broker answered.
        """
        try:
            self._client.list_topics(timeout=self._timeout_seconds)
        except KafkaException as error:
            raise Unavailable(f"Kafka does not answer: {error.args[0].str()}") from error

    def consumers(self) -> int:
        """Count the members of the consumer group.

        Raises:
            Unavailable: no broker answered.
        """
        described: dict[str, Any] = self._group_client.describe_consumer_groups(
            [self._group], request_timeout=self._timeout_seconds
        )
        try:
            return len(described[self._group].result(self._timeout_seconds).members)
        except (KafkaException, TimeoutError) as error:
            # librdkafka never asks a coordinator again that was killed and came back.
            self._group_client = clients.AdminClient(self._settings)
            raise Unavailable("Kafka does not say who is in the consumer group") from error
