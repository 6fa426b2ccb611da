"""Messages that would hold up those behind them by how they lie in Kafka, and the way past them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from pipeline.kafka import topics
from pipeline.kafka.clients import connection
from tests import pictures
from tests.chaos import evidence
from tests.imagectl import imagectl
from tests.stack import Stack, until

pytestmark = pytest.mark.usefixtures("quiet")

UPLOADS = topics.UPLOADS
_SECONDS = 120.0
# What a topic takes in a second, packed, and a consumer would have to hold unpacked.
_BOMB_BYTES = 50_000_000


def producer(stack: Stack, **settings: object) -> Producer:
    return Producer({**connection(stack.settings), **settings})


def written(client: Producer, value: bytes, partition: int) -> tuple[KafkaError | None, Message]:
    """Write a message; how it ended, and where it lies."""
    ended: list[tuple[KafkaError | None, Message]] = []
    client.produce(
        UPLOADS.name, value, partition=partition, on_delivery=lambda *end: ended.append(end)
    )
    assert client.flush(_SECONDS) == 0
    return ended[0]


@contextmanager
def unfinished_transaction(stack: Stack) -> Iterator[None]:
    """Write to every partition within a transaction that does not end for a while."""
    client = producer(stack, **{"transactional.id": os.urandom(8).hex()})
    client.init_transactions(_SECONDS)
    client.begin_transaction()
    for partition in range(UPLOADS.partitions):
        written(client, b"not committed", partition)
    try:
        yield
    finally:
        client.abort_transaction(_SECONDS)
        # The mark of its end is no message, and is committed with the one behind it. It is written
        # when the transaction has long been said to have ended.
        until(lambda: ends(stack, "read_committed") == ends(stack, "read_uncommitted"))
        for partition in range(UPLOADS.partitions):
            written(producer(stack), b"behind it", partition)


def ends(stack: Stack, isolation: str) -> list[int]:
    """Where each partition ends: for who reads what is committed alone, before a transaction."""
    told = {**connection(stack.settings), "group.id": "ends", "isolation.level": isolation}
    with closing(Consumer(told)) as client:
        places = [TopicPartition(UPLOADS.name, number) for number in range(UPLOADS.partitions)]
        return [client.get_watermark_offsets(place, timeout=_SECONDS)[1] for place in places]


def letters_of(stack: Stack, place: str) -> list[dict[str, Any]]:
    done = imagectl(stack, "dead-letters", "list", "--json", place)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_a_transaction_that_does_not_end_holds_up_nobody(stack: Stack) -> None:
    with unfinished_transaction(stack):
        answers = [
            stack.upload(pictures.fresh(f"behind a transaction {number}"), Prefer="wait=20")
            for number in range(6)
        ]

    assert [answer.status_code for answer in answers] == [200] * 6
    until(lambda: evidence.lag(stack) == 0)


def test_a_message_is_as_large_as_it_is_unpacked(stack: Stack) -> None:
    client = producer(stack, **{"compression.type": "gzip", "message.max.bytes": 2 * _BOMB_BYTES})

    error, _ = written(client, bytes(_BOMB_BYTES), 0)

    assert error is not None
    assert error.code() == KafkaError.MSG_SIZE_TOO_LARGE


def test_an_operator_steps_over_one_message_while_no_consumer_works(stack: Stack) -> None:
    with stack.frozen("image-process-consumer"):
        _, message = written(producer(stack), b"in the way " + os.urandom(8), 1)
        place = f"{UPLOADS.name}/1/{message.offset()}"
        done = imagectl(stack, "dead-letters", "skip", place, "--why", "it is in the way")
        position = evidence.positions(stack)[0][UPLOADS.name, 1]

    assert done.returncode == 0, done.stderr
    (letter,) = letters_of(stack, place)
    assert done.stdout == f"stepped over {place}; its letter is {letter['letterId']}\n"
    assert letter["reason"] == {"code": "skipped", "detail": "it is in the way"}
    assert position == (message.offset() or 0) + 1
    assert until(stack.is_sound, 90)
    assert stack.upload(pictures.fresh("behind it"), Prefer="wait=20").status_code == 200


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["image-uploads/0/0", "--wait", "0"],
            r"has [1-9] members; stop the consumers first",
        ),
        (["image-results/0/0"], "allowed: image-uploads/PARTITION/OFFSET or image-uploads-bulk-1/"),
    ],
)
def test_what_must_not_be_stepped_over_says_why(stack: Stack, words: list[str], says: str) -> None:
    done = imagectl(stack, "dead-letters", "skip", *words)

    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(says, done.stderr)
