"""Partitions and copies of topics that exist follow the settings, and no event is overtaken."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata, TopicMetadata
from kafka import KafkaAdminClient
from kafka import TopicPartition as Place

from local.services.servers import kafka
from local.services.settings import Stack as Services
from pipeline.errors import SettingsError
from pipeline.kafka import administration, replication, topics
from pipeline.kafka.backlog import BacklogProbe
from pipeline.kafka.clients import Access, connection
from pipeline.kafka.consumer import make_consumer
from pipeline.settings import Settings
from tests.local_stack import LocalStack, unstarted_stack
from tests.ports import free_ports
from tests.stack import ROOT, run_module, until

SECONDS = 120.0
STEP = "pipeline.kafka.administration"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Kafka and its topics, and nothing that reads or writes them."""
    with unstarted_stack(tmp_path_factory.mktemp("kafka") / "state") as kafka_alone:
        started = kafka_alone.command("up", "--only", "topics")
        assert started.returncode == 0, started.stderr
        until(lambda: min(partitions(kafka_alone.settings).values()) > 0, SECONDS)
        yield kafka_alone


@pytest.fixture
def settings(stack: LocalStack) -> Settings:
    """One partition more than there are."""
    found = partitions(stack.settings)[topics.UPLOADS.name]
    return replace(stack.settings, kafka_partitions=found + 1, produce_timeout_seconds=SECONDS)


def told(settings: Settings) -> dict[str, TopicMetadata]:
    client = AdminClient(connection(settings))
    return client.list_topics(timeout=SECONDS).topics


def partitions(settings: Settings) -> dict[str, int]:
    """Of each topic; 0 where the broker does not know of it yet."""
    found = told(settings)
    named = [topic.name for topic in topics.TOPICS]
    return {name: len(found[name].partitions) if name in found else 0 for name in named}


def write(settings: Settings, topic: str, partition: int) -> None:
    producer = Producer(connection(settings))
    producer.produce(topic, b"{}", b"key", partition)
    assert producer.flush(SECONDS) == 0


def finish(settings: Settings, topic: str) -> None:
    """Commit all that a topic holds, as the consumer group does when it has worked it off."""
    client = Consumer(
        {
            **connection(settings),
            "group.id": settings.consumer_group,
        }
    )
    places = [TopicPartition(topic, number) for number in range(partitions(settings)[topic])]
    for place in places:
        place.offset = client.get_watermark_offsets(place, timeout=SECONDS)[1]
    client.commit(offsets=places, asynchronous=False)
    client.close()


def test_partitions_are_added_to_topics_that_exist(settings: Settings) -> None:
    administration.apply(settings)

    wanted = settings.kafka_partitions
    expected = {topic.name: wanted if topic.grows else 1 for topic in topics.TOPICS}
    until(lambda: partitions(settings) == expected, SECONDS)


def test_where_events_wait_none_are_added_until_they_are_done(settings: Settings) -> None:
    before, wanted = settings.kafka_partitions - 1, settings.kafka_partitions
    write(settings, topics.UPLOADS.name, 0)

    administration.apply(settings)
    until(lambda: partitions(settings)[topics.RETRY.name] == wanted, SECONDS)
    assert partitions(settings)[topics.UPLOADS.name] == before

    finish(settings, topics.UPLOADS.name)
    administration.grow(settings)
    until(lambda: partitions(settings)[topics.UPLOADS.name] == wanted, SECONDS)


def test_fewer_partitions_leave_those_there_are(settings: Settings) -> None:
    before = partitions(settings)

    administration.apply(replace(settings, kafka_partitions=1))

    assert partitions(settings) == before


def test_a_consumer_and_the_backlog_see_what_is_added_while_they_run(settings: Settings) -> None:
    probe = BacklogProbe(settings)
    consumer = make_consumer(settings, lambda error, offsets: None)
    consumer.subscribe([topics.UPLOADS.name])
    try:
        until(lambda: (consumer.poll(0.1), consumer.assignment())[1], SECONDS)
        waiting = probe.read().waiting

        administration.grow(settings)
        added = settings.kafka_partitions - 1
        until(lambda: partitions(settings)[topics.UPLOADS.name] > added, SECONDS)
        write(settings, topics.UPLOADS.name, added)

        def is_read() -> bool:
            message = consumer.poll(0.1)
            return message is not None and message.partition() == added

        until(is_read, SECONDS)
        until(lambda: probe.read().waiting == waiting + 1, SECONDS)
    finally:
        consumer.close()
        finish(settings, topics.UPLOADS.name)


def test_more_copies_than_brokers_are_refused(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="KAFKA_REPLICATION_FACTOR=2: there are 1 brokers"):
        administration.apply(replace(settings, kafka_replication_factor=2))


def test_topics_that_exist_get_more_copies_and_fewer(
    stack: LocalStack, settings: Settings, tmp_path: Path
) -> None:
    with second_broker(stack, settings, tmp_path):
        for wanted in (2, 1):
            environment = {**stack.addresses, "KAFKA_REPLICATION_FACTOR": str(wanted)}
            # Where the cluster has just changed it says so, and is run again, as on any stack.
            until(lambda told=environment: is_applied(told), SECONDS)  # type: ignore[misc]
            until(lambda wanted=wanted: copies(settings) == {wanted}, SECONDS)  # type: ignore[misc]


def test_copies_on_their_way_are_called_off_when_fewer_are_set(
    stack: LocalStack, settings: Settings, tmp_path: Path
) -> None:
    with copies_on_their_way(stack, settings, tmp_path) as brokers:
        replication.apply(settings, brokers)
    until(lambda: copies(settings) == {1}, SECONDS)


def test_copies_that_hang_on_their_way_are_freed(
    stack: LocalStack, settings: Settings, tmp_path: Path
) -> None:
    with copies_on_their_way(stack, settings, tmp_path) as brokers:
        # What another tool may ask for, and the broker never ends.
        ask_for_one_copy(settings)
        replication.apply(settings, brokers)
    until(lambda: copies(settings) == {1}, SECONDS)


@contextmanager
def copies_on_their_way(
    stack: LocalStack, settings: Settings, folder: Path
) -> Iterator[ClusterMetadata]:
    """A second broker that is to get a copy of each partition, and stands still meanwhile."""
    client = AdminClient(connection(settings))
    with second_broker(stack, settings, folder) as broker:
        brokers = client.list_topics(timeout=SECONDS)
        with standing_still(broker):
            # A client might ask it before.
            until(lambda: len(client.list_topics(timeout=SECONDS).brokers) == 1, SECONDS)
            replication.apply(replace(settings, kafka_replication_factor=2), brokers)
            until(lambda: copies(settings) == {2}, SECONDS)
            yield brokers


@contextmanager
def standing_still(process: subprocess.Popen[bytes]) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def copies(settings: Settings) -> set[int]:
    found = told(settings)
    return {
        len(partition.replicas)
        for topic in topics.TOPICS
        for partition in found[topic.name].partitions.values()
    }


def ask_for_one_copy(settings: Settings) -> None:
    admin = KafkaAdminClient(**Access(settings).for_kafka_python())
    try:
        asked = {
            Place(topic.name, number): [1]
            for topic in topics.TOPICS
            for number in range(partitions(settings)[topic.name])
        }
        assert set(admin.alter_partition_reassignments(asked).values()) == {None}
    finally:
        admin.close()


def is_applied(environment: dict[str, str]) -> bool:
    done = run_module(STEP, cwd=ROOT, environment=environment, seconds=SECONDS)
    return done.returncode == 0


@contextmanager
def second_broker(
    stack: LocalStack, settings: Settings, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Another broker of the same cluster, which knows the first one's controller."""
    services = Services.from_env(stack.environment)
    (port,) = free_ports(1)
    properties = (services.state_dir / "kafka.properties").read_text()
    mine = folder / "kafka.properties"
    mine.write_text(
        properties.replace("process.roles=broker,controller", "process.roles=broker")
        .replace("node.id=1\n", "node.id=2\n")
        .replace(f",CONTROLLER://127.0.0.1:{services.listening.kafka_controller}\n", "\n")
        .replace(f"127.0.0.1:{services.listening.kafka}\n", f"127.0.0.1:{port}\n")
        .replace(str(services.data_dir("kafka")), str(folder / "data"))
    )
    meta = (services.data_dir("kafka") / "meta.properties").read_text().splitlines()
    cluster = next(line.partition("=")[2] for line in meta if line.startswith("cluster.id="))
    command = [*kafka.command(services)[:-1], str(mine)]
    tool = command.index("kafka.Kafka")
    formatting = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(mine)]
    subprocess.run([*command[:tool], *formatting], check=True, timeout=SECONDS)
    with (folder / "kafka.log").open("wb") as log:
        broker = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        client = AdminClient(connection(settings))
        until(lambda: len(client.list_topics(timeout=SECONDS).brokers) == 2, SECONDS)
        yield broker
    finally:
        broker.terminate()
        broker.wait(SECONDS)
