"""Who asks the real Kafka goes on when it was killed and is back, whenever its client was made."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest
from confluent_kafka import Producer, TopicPartition

from pipeline.consuming.expulsion import expel
from pipeline.consuming.membership import Membership, ask_broker
from pipeline.errors import Unavailable
from pipeline.kafka import topics
from pipeline.kafka.backlog import BacklogProbe
from pipeline.kafka.broker_probe import BrokerProbe
from pipeline.kafka.clients import connection
from pipeline.kafka.consumer import make_consumer
from pipeline.kafka.topic_reader import TopicReader
from pipeline.settings import Settings
from tests.chaos import outages
from tests.local_stack import LocalStack, unstarted_stack
from tests.stack import until

SECONDS = 120.0
COMMITTED = 1


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Kafka and its topics; of one partition something is committed, and something waits."""
    with unstarted_stack(tmp_path_factory.mktemp("kafka") / "state") as kafka_alone:
        started = kafka_alone.command("up", "--only", "topics")
        assert started.returncode == 0, started.stderr
        settings = kafka_alone.settings
        until(lambda: answered(lambda: BrokerProbe(settings).check_broker()), SECONDS)
        producer = Producer(connection(settings))
        for _ in range(COMMITTED + 1):
            producer.produce(topics.UPLOADS.name, b"{}", b"key", 0)
        assert producer.flush(SECONDS) == 0
        until(lambda: answered(lambda: commit(settings)), SECONDS)
        yield kafka_alone


@pytest.fixture
def settings(stack: LocalStack) -> Settings:
    """As the parts themselves have it, which wait for nothing long."""
    return replace(stack.settings, produce_timeout_seconds=Settings().produce_timeout_seconds)


def commit(settings: Settings) -> None:
    reader = TopicReader(settings)
    try:
        reader.commit(topics.UPLOADS.name, 0, COMMITTED)
    finally:
        reader.close()


def answered(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except Unavailable:
        return False
    return True


def kill(stack: LocalStack) -> None:
    """End Kafka; the supervisor starts it again."""
    before = stack.pid("kafka")
    assert stack.kill("kafka") == before


def test_who_has_asked_before_is_told_again(stack: LocalStack, settings: Settings) -> None:
    backlog, broker = BacklogProbe(settings), BrokerProbe(settings)
    until(lambda: answered(backlog.read) and answered(broker.consumers), SECONDS)

    for _ in range(2):
        kill(stack)
        until(lambda: not answered(backlog.read), SECONDS)
        until(lambda: answered(backlog.read) and answered(broker.consumers), SECONDS)

    assert backlog.read().waiting == 1


def test_who_first_asked_while_it_was_away_is_told_too(
    stack: LocalStack, settings: Settings
) -> None:
    kill(stack)
    probes = []

    def one_more() -> bool:
        """Make one, and ask it at once."""
        probes.append(BacklogProbe(settings))
        return answered(probes[-1].read)

    until(one_more, SECONDS)

    for probe in probes:
        until(lambda probe=probe: answered(probe.read), SECONDS)  # type: ignore[misc]
    assert {probe.read().waiting for probe in probes} == {1}


def test_what_was_committed_is_told_as_soon_as_it_is_back(
    stack: LocalStack, settings: Settings
) -> None:
    asked = TopicPartition(topics.UPLOADS.name, 0)
    kill(stack)

    client = make_consumer(settings, lambda _, __: None)
    try:
        (found,) = client.committed([asked], SECONDS)
    finally:
        client.close()

    assert found.offset == COMMITTED


def test_a_consumer_whose_session_ended_meanwhile_expels_who_it_was(
    stack: LocalStack, settings: Settings
) -> None:
    """The group would wait for that one: a whole session from when Kafka is back."""
    settings = replace(settings, consumer_group=f"outage-{uuid.uuid4()}")
    expelled: list[str] = []

    def expel_and_note(member_id: str) -> None:
        expel(settings, member_id)
        expelled.append(member_id)

    membership = Membership(partial(ask_broker, settings), expel_and_note)
    names: list[str] = []
    lost: list[object] = []

    def assigned(*_: object) -> None:
        names.append(client.memberid() or "")
        membership.join(names[-1])

    def lose(_: object, partitions: list[TopicPartition]) -> None:
        lost.extend(partitions)
        membership.lose(client.memberid())

    client = make_consumer(settings, lambda _, __: None)
    client.subscribe([topics.UPLOADS.name], on_assign=assigned, on_lost=lose)

    def go_round_until(is_so: Callable[[], bool]) -> None:
        def round_() -> bool:
            client.poll(0.1)
            membership.check()
            return is_so()

        until(round_, SECONDS)

    try:
        go_round_until(lambda: bool(names))
        with outages.gone(stack, "kafka"):
            go_round_until(lambda: bool(lost))
        go_round_until(lambda: len(names) > 1 and bool(expelled))
    finally:
        client.close()

    assert expelled == names[:1]
    assert names[1] != names[0]
