"""How topics and accounts on the broker become those of the code, with the partitions that are set.

`python -m pipeline.kafka.administration` does it, as the super user, and changes nothing twice.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from dataclasses import replace

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AlterConfigOpType,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
)

from pipeline import telemetry
from pipeline.access.accounts import SETUP
from pipeline.errors import PipelineError, SettingsError, Unavailable
from pipeline.kafka import replication, topics, users
from pipeline.kafka.clients import AdminClient
from pipeline.kafka.topic_reader import TopicReader
from pipeline.kafka.topics import Topic
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

_REQUEST_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.05


def apply(settings: Settings) -> None:
    """Create the topics that are missing; set configuration, partitions and copies of all.

    Before that the accounts are let in, and get their rights.

    Raises:
        SettingsError: there are fewer brokers than each partition is to have copies, or an
            account's login cannot be read.
        Unavailable: the broker does not say how far the consumer group is.
        KafkaException: the broker refused, or did not answer.
    """
    client = AdminClient(settings)
    _check_brokers(client, settings)
    users.apply(client, settings)
    _create_missing(client, settings)
    _configure(client, settings)
    _grow(client, settings)
    replication.apply(settings, _told_of_all(client))


def grow(settings: Settings) -> None:
    """Add the partitions that could not be added before, as events were waiting.

    Raises:
        Unavailable: the broker does not say how far the consumer group is.
        KafkaException: the broker refused, or did not answer.
    """
    _grow(AdminClient(settings), settings)


def _told(client: AdminClient) -> ClusterMetadata:
    return client.list_topics(timeout=_REQUEST_TIMEOUT_SECONDS)


def _told_of_all(client: AdminClient) -> ClusterMetadata:
    """Wait until the broker knows of every topic: of one just created it may not for a moment.

    Raises:
        Unavailable: it does not in time.
    """
    deadline = time.monotonic() + _REQUEST_TIMEOUT_SECONDS
    while True:
        told = _told(client)
        unknown = [topic.name for topic in topics.TOPICS if not _is_known(told, topic.name)]
        if not unknown:
            return told
        if time.monotonic() > deadline:
            raise Unavailable(f"Kafka does not say what partitions {', '.join(unknown)} have")
        time.sleep(_POLL_SECONDS)


def _is_known(told: ClusterMetadata, name: str) -> bool:
    return name in told.topics and bool(told.topics[name].partitions)


def _check_brokers(client: AdminClient, settings: Settings) -> None:
    found, wanted = len(_told(client).brokers), settings.kafka_replication_factor
    if wanted > found:
        raise SettingsError(
            f"KAFKA_REPLICATION_FACTOR={wanted}: there are {found} brokers, so at most {found}"
        )


def _create_missing(client: AdminClient, settings: Settings) -> None:
    copies = settings.kafka_replication_factor
    wanted = [
        NewTopic(topic.name, topic.partitions_by(settings), copies) for topic in topics.TOPICS
    ]
    created = client.create_topics(wanted, operation_timeout=_REQUEST_TIMEOUT_SECONDS)
    for name, future in created.items():
        try:
            future.result(_REQUEST_TIMEOUT_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        else:
            logger.info("topic created", extra={"topic": name})


def _configure(client: AdminClient, settings: Settings) -> None:
    resources = [
        ConfigResource(
            ConfigResource.Type.TOPIC,
            topic.name,
            incremental_configs=[
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in topic.config(settings).items()
            ],
        )
        for topic in topics.TOPICS
    ]
    for future in client.incremental_alter_configs(resources).values():
        future.result(_REQUEST_TIMEOUT_SECONDS)


def _grow(client: AdminClient, settings: Settings) -> None:
    """Add partitions where nothing waits: with them an image's events go to another one.

    An event that is read before the first of the new ones is written can be overtaken by none.
    """
    told = _told_of_all(client).topics
    for topic in topics.TOPICS:
        found, wanted = len(told[topic.name].partitions), topic.partitions_by(settings)
        if found > wanted:
            extra = {"topic": topic.name, "partitions": found, "set": wanted}
            logger.info("topic has more partitions, and Kafka takes none away", extra=extra)
        elif found < wanted:
            _add(client, settings, topic, found)


def _add(client: AdminClient, settings: Settings, topic: Topic, found: int) -> None:
    wanted = topic.partitions_by(settings)
    extra: dict[str, object] = {"topic": topic.name, "partitions": found, "set": wanted}
    if waiting := _waiting(settings, topic):
        logger.warning(
            "partitions are added when nothing waits", extra=extra | {"waiting": waiting}
        )
        return
    added = client.create_partitions([NewPartitions(topic.name, wanted)])
    added[topic.name].result(_REQUEST_TIMEOUT_SECONDS)
    logger.info("partitions added", extra=extra)


def _waiting(settings: Settings, topic: Topic) -> int:
    """How many events of it the group that reads it has not committed."""
    if topic in topics.CALLS_READ:
        settings = replace(settings, consumer_group=settings.async_call_group)
    elif topic not in topics.READ:
        return 0
    reader = TopicReader(settings)
    try:
        return sum(map(len, reader.uncommitted(reader.spans(topic.name))))
    finally:
        reader.close()


def main() -> int:
    """Return 0, or 1 with what is wrong."""
    try:
        settings = Settings.from_env(os.environ, SETUP)
        telemetry.configure("topics", settings.log_level)
        apply(settings)
    except (PipelineError, SettingsError, KafkaException) as error:
        print(f"topics: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
