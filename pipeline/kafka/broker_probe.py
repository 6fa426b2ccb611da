"""Kafka: whether a broker is there, and whether a consumer group has members."""

from __future__ import annotations

from functools import partial
from typing import Any

from confluent_kafka import KafkaException

from pipeline.errors import Unavailable
from pipeline.kafka import clients
from pipeline.kafka.recovery import Replaceable
from pipeline.settings import Settings


class BrokerProbe:
    """Answers whether Kafka is there and whether a consumer group has members."""

    def __init__(self, settings: Settings) -> None:
        self._timeout_seconds = settings.produce_timeout_seconds
        self._group = settings.consumer_group
        self._client = clients.AdminClient(settings)
        # Replaced whenever it fails: this is asked by people, and whether a part is ready.
        self._group_clients = Replaceable(partial(clients.AdminClient, settings), 0.0)

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
        try:
            with self._group_clients.asked() as client:
                described: dict[str, Any] = client.describe_consumer_groups(
                    [self._group], request_timeout=self._timeout_seconds
                )
                return len(described[self._group].result(self._timeout_seconds).members)
        except (KafkaException, TimeoutError) as error:
            raise Unavailable("Kafka does not say who is in the consumer group") from error
