"""The Kafka topics as code.

`python -m pipeline.kafka.topics` applies them and changes nothing twice.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

from pipeline import telemetry
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

# The name of a topic, and the number of a partition of it.
Partition = tuple[str, int]

_DAY_MILLISECONDS = 24 * 60 * 60 * 1000
_REQUEST_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Topic:
    """One topic: its name, partitions, how long it keeps an event and how large one may be."""

    name: str
    partitions: int
    retention_days: int
    max_event_bytes: int = 1_048_588  # Kafka's own default

    @property
    def config(self) -> dict[str, str]:
        """The topic's settings under Kafka's names."""
        return {
            "retention.ms": str(self.retention_days * _DAY_MILLISECONDS),
            "max.message.bytes": str(self.max_event_bytes),
            # Unpacked by the broker: a limit of packed bytes bounds nothing that a reader holds.
            "compression.type": "uncompressed",
        }


UPLOADS = Topic("image-uploads", 3, 7)
RETRY = Topic("image-uploads-retry", 3, 7)
RESULTS = Topic("image-results", 3, 7)
# A dead letter holds the message it is about, in base64 when that is no event.
FAILURES = Topic("image-failures", 1, 30, max_event_bytes=2_097_152)
# An asynchronous call holds its body, up to 1 MB of it, in base64; so does its dead letter.
CALLS = Topic("function-calls", 3, 7, max_event_bytes=1_572_864)
CALLS_RETRY = Topic("function-calls-retry", 3, 7, max_event_bytes=1_572_864)
TOPICS = (UPLOADS, RETRY, RESULTS, FAILURES, CALLS, CALLS_RETRY)


def apply(bootstrap_servers: str) -> None:
    """Create the topics that are missing and set the configuration of all.

    Raises:
        KafkaException: the broker refused, or did not answer.
    """
    client = AdminClient({"bootstrap.servers": bootstrap_servers})
    _create_missing(client)
    _configure(client)


def _create_missing(client: AdminClient) -> None:
    wanted = [NewTopic(topic.name, topic.partitions, 1) for topic in TOPICS]
    created = client.create_topics(wanted, operation_timeout=_REQUEST_TIMEOUT_SECONDS)
    for name, future in created.items():
        try:
            future.result(_REQUEST_TIMEOUT_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        else:
            logger.info("topic created", extra={"topic": name})


def _configure(client: AdminClient) -> None:
    resources = [
        ConfigResource(
            ConfigResource.Type.TOPIC,
            topic.name,
            incremental_configs=[
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in topic.config.items()
            ],
        )
        for topic in TOPICS
    ]
    for future in client.incremental_alter_configs(resources).values():
        future.result(_REQUEST_TIMEOUT_SECONDS)


if __name__ == "__main__":
    settings = Settings.from_env(os.environ)
    telemetry.configure("topics", settings.log_level)
    apply(settings.kafka_bootstrap_servers)
