"""The same cases on the real Kafka's consumer and on the one in memory that stands in for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaException, Message

from tests.kafka_members import PARTITIONS, SECONDS, Member, RealTopic, Topic
from tests.stack import Stack, until


@pytest.fixture(params=["fake", "real"])
def topic(request: pytest.FixtureRequest, stack: Stack) -> Topic:
    return Topic() if request.param == "fake" else RealTopic(stack)


@pytest.fixture
def join(topic: Topic) -> Iterator[Callable[[], Member]]:
    members: list[Member] = []

    def joined() -> Member:
        members.append(topic.join())
        return members[-1]

    yield joined
    for member in members:
        with suppress(RuntimeError):  # closed by the test
            member.client.close()


Join = Callable[[], Member]


def offsets_of(messages: list[Message], partition: int) -> list[int | None]:
    return [each.offset() for each in messages if each.partition() == partition]


def test_a_partition_is_read_in_order_from_its_beginning(topic: Topic, join: Join) -> None:
    for partition in range(PARTITIONS):
        topic.write(partition, *(b"%d" % number for number in range(5)))

    messages = join().read(5 * PARTITIONS)

    assert [offsets_of(messages, each) for each in range(PARTITIONS)] == [[0, 1, 2, 3, 4]] * 4
    assert {message.key() for message in messages} == {b"key"}


def test_a_member_with_partitions_has_a_name(topic: Topic, join: Join) -> None:
    member = join()

    member.poll_until(lambda: len(member.owned) == PARTITIONS)

    assert member.client.memberid()


def test_what_is_there_is_consumed_without_waiting(topic: Topic, join: Join) -> None:
    topic.write(0, b"0", b"1", b"2", b"3")
    member = join()
    member.read(1)

    rest: list[Message] = []

    def consumed() -> bool:
        rest.extend(member.client.consume(2, timeout=0))
        return len(rest) >= 3

    until(consumed, SECONDS)

    assert offsets_of(rest, 0) == [1, 2, 3]
    assert member.client.consume(10, timeout=0) == []


def test_a_member_begins_at_the_committed_offset_with_its_metadata(
    topic: Topic, join: Join
) -> None:
    topic.write(0, b"0", b"1", b"2")
    first = join()
    first.read(3)
    first.client.commit(offsets=first.places((0, 1, "noted")), asynchronous=False)
    first.client.close()

    second = join()
    messages = second.read(2)
    (committed,) = second.client.committed(second.places((0,)), timeout=SECONDS)

    assert offsets_of(messages, 0) == [1, 2]
    assert (committed.offset, committed.metadata) == (1, "noted")


def test_what_was_never_committed_has_no_offset_and_no_metadata(topic: Topic, join: Join) -> None:
    member = join()

    (committed,) = member.client.committed(member.places((0,)), timeout=SECONDS)

    assert committed.offset == OFFSET_INVALID
    assert not committed.metadata


def test_committing_without_metadata_takes_the_old_away(topic: Topic, join: Join) -> None:
    topic.write(0, b"0")
    member = join()
    member.read(1)
    for place in ((0, 0, "noted"), (0, 1)):
        member.client.commit(offsets=member.places(place), asynchronous=False)

    (committed,) = member.client.committed(member.places((0,)), timeout=SECONDS)

    assert (committed.offset, committed.metadata or "") == (1, "")


def test_closing_commits_nothing_and_gives_the_partitions_back(topic: Topic, join: Join) -> None:
    topic.write(0, b"0", b"1")
    first = join()
    first.read(2)

    first.client.close()

    assert (first.told[-1], first.owned) == ("revoked", set())
    assert offsets_of(join().read(2), 0) == [0, 1]


def test_an_asynchronous_commit_is_told_while_polling(topic: Topic, join: Join) -> None:
    topic.write(0, b"0")
    member = join()
    member.read(1)

    member.client.commit(offsets=member.places((0, 1, "noted")), asynchronous=True)
    before = list(member.commits)
    member.poll_until(lambda: len(member.commits) > 0)

    ((error, (told,)),) = member.commits
    assert before == []
    assert error is None
    assert (told.partition, told.offset) == (0, 1)


def test_a_paused_partition_waits_where_it_was_and_the_others_go_on(
    topic: Topic, join: Join
) -> None:
    topic.write(0, b"0", b"1", b"2")
    member = join()
    read = member.read(1)
    member.client.pause(member.places((0,)))
    topic.write(1, b"0")

    others = member.read(1)
    held_back = member.rest()
    member.client.resume(member.places((0,)))
    rest = member.read(2)

    assert offsets_of(others, 1) == [0]
    assert held_back == []
    assert offsets_of(read + rest, 0) == [0, 1, 2]


def test_a_second_member_takes_half_and_the_first_keeps_the_rest(topic: Topic, join: Join) -> None:
    first = join()
    first.poll_until(lambda: len(first.owned) == PARTITIONS)
    second = join()

    def shared() -> bool:
        first.client.poll(0.1)
        second.client.poll(0.1)
        return len(first.owned) == len(second.owned) == PARTITIONS // 2

    until(shared, SECONDS)

    assert first.owned | second.owned == set(range(PARTITIONS))
    assert "revoked" not in second.told


def test_a_pause_outlives_giving_a_partition_away(topic: Topic, join: Join) -> None:
    first = join()
    first.poll_until(lambda: len(first.owned) == PARTITIONS)
    everywhere = first.places(*((each,) for each in range(PARTITIONS)))
    first.client.pause(everywhere)
    second = join()
    until(
        lambda: [each.client.poll(0.1) for each in (first, second)] and bool(second.owned), SECONDS
    )
    second.client.close()
    first.poll_until(lambda: len(first.owned) == PARTITIONS)
    for partition in range(PARTITIONS):
        topic.write(partition, b"0")

    held_back = first.rest()
    first.client.resume(everywhere)

    assert held_back == []
    assert {message.partition() for message in first.read(PARTITIONS)} == set(range(PARTITIONS))


def test_what_is_committed_while_giving_up_a_partition_is_where_the_next_begins(
    topic: Topic, join: Join
) -> None:
    for partition in range(PARTITIONS):
        topic.write(partition, b"0", b"1")
    first = join()
    first.read(2 * PARTITIONS)
    first.leave = lambda lost: first.client.commit(
        offsets=first.places(*((each.partition, 1) for each in lost)), asynchronous=False
    )
    second = join()
    messages: list[Message] = []

    def read() -> bool:
        first.client.poll(0.1)
        message = second.client.poll(0.1)
        messages.extend([message] if message else [])
        return len(messages) >= PARTITIONS // 2

    until(read, SECONDS)

    assert {message.offset() for message in messages} == {1}


def test_a_closed_member_may_not_commit(topic: Topic, join: Join) -> None:
    topic.write(0, b"0")
    member = join()
    member.read(1)
    member.client.close()

    with pytest.raises((RuntimeError, KafkaException)):
        member.client.commit(offsets=member.places((0, 1)), asynchronous=False)
