"""The Kafka topics as code: `administration` applies them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from pipeline.settings import Settings
from pipeline.timeouts.defaults import RETENTION_DAYS

# The name of a topic, and the number of a partition of it.
Partition = tuple[str, int]

_DAY_MILLISECONDS = 24 * 60 * 60 * 1000
# Where nothing else is set.
_PARTITIONS = Settings().kafka_partitions


@dataclass(frozen=True)
class Topic:
    """One topic: its name, partitions, how long it keeps an event and how large one may be.

    Attributes:
        grows: whether it has as many partitions as is set.
    """

    name: str
    partitions: int
    retention_days: int
    grows: bool = True
    max_event_bytes: int = 1_048_588  # Kafka's own default

    def partitions_by(self, settings: Settings) -> int:
        """How many it is to have at least."""
        return settings.kafka_partitions if self.grows else self.partitions

    def config(self, settings: Settings) -> dict[str, str]:
        """The topic's settings under Kafka's names."""
        return {
            # What is acknowledged survives the loss of one broker, and writing goes on.
            "min.insync.replicas": str(max(1, settings.kafka_replication_factor - 1)),
            "retention.ms": str(self.retention_days * _DAY_MILLISECONDS),
            "max.message.bytes": str(self.max_event_bytes),
            # Unpacked by the broker: a limit of packed bytes bounds nothing that a reader holds.
            "compression.type": "uncompressed",
        }


UPLOADS = Topic("image-uploads", _PARTITIONS, RETENTION_DAYS)
# What a tenant sends beyond its share of the one above, so that it waits for itself alone. Several,
# so that few tenants with much to do stand behind each other.
BULK = tuple(
    Topic(f"image-uploads-bulk-{number}", _PARTITIONS, RETENTION_DAYS) for number in range(1, 5)
)
# Where accepted images come in.
ACCEPTED = (UPLOADS, *BULK)
RETRY = Topic("image-uploads-retry", _PARTITIONS, RETENTION_DAYS)
RESULTS = Topic("image-results", _PARTITIONS, RETENTION_DAYS)
# A dead letter holds the message it is about, in base64 when that is no event.
FAILURES = Topic("image-failures", 1, 30, grows=False, max_event_bytes=2_097_152)
# An asynchronous call holds its body, up to 1 MB of it, in base64; so does its dead letter.
CALLS = Topic("function-calls", _PARTITIONS, RETENTION_DAYS, max_event_bytes=1_572_864)
CALLS_RETRY = Topic("function-calls-retry", _PARTITIONS, RETENTION_DAYS, max_event_bytes=1_572_864)
TOPICS = (*ACCEPTED, RETRY, RESULTS, FAILURES, CALLS, CALLS_RETRY)
# What each consumer group reads: its positions in them tell what waits.
READ = (*ACCEPTED, RETRY)
CALLS_READ = (CALLS, CALLS_RETRY)


def bulk_of(tenant: str) -> Topic:
    """Name the lane of a tenant's bulk, unless somebody knows a better one."""
    return BULK[zlib.crc32(tenant.encode()) % len(BULK)]
