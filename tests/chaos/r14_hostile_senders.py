"""Hostile senders beside innocent ones: no innocent is lost, tried twice or held up by them.

The same innocents are sent alone first, then while one thread uploads pictures that cost all that a
picture may cost and another writes messages of every kind of poison into both topics of events.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import requests

from pipeline.errors import InvalidImage
from pipeline.images import decoding
from pipeline.kafka import topics
from tests import pictures, sending
from tests.chaos import evidence
from tests.chaos.findings import Finding, Size, none_of, reported
from tests.kafka import read_topic
from tests.local_stack import LocalStack, running_stack
from tests.security import cost, poisoned
from tests.security.bombs import BOMBS
from tests.security.poison import poison
from tests.stack import until

GOAL = "R14"
LIMITS = (
    "A flood of good pictures of one tenant is not among it: P19 of bench/RESULTS.md measures that."
)

_INNOCENTS = {Size.SHORT: 60, Size.FULL: 1_000}
_PER_SECOND = 3.0  # far below what the machine can do: what is waited for is not one's own like
_CLIENTS = 8
# Of those that pass the door; all are tried one by one in tests/security.
_BOMBS = {Size.SHORT: 12, Size.FULL: 100}
_SEED = 14
_LATEST = 2.0  # times what the same takes alone
_POISON_PAUSE_SECONDS = 0.05
_BOMB_PAUSE_SECONDS = 0.5
_DRAIN_SECONDS = 600.0


@dataclass
class Innocents:
    """What became of them: seconds until each was completed, and the jobs that were not."""

    seconds: list[float] = field(default_factory=list)
    jobs: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)

    @property
    def late(self) -> float:
        """The 99th percentile, in seconds."""
        return sorted(self.seconds)[math.ceil(0.99 * len(self.seconds)) - 1]


def run(size: Size, folder: Path) -> list[Finding]:
    """Send innocents alone, then among bombs and poison, and compare."""
    count = _INNOCENTS[size]
    with running_stack(folder / "state") as stack:
        stack.give("image-upload", **sending.PATIENT)
        alone = _send(stack, count, "alone")
        with _hostile(stack, _BOMBS[size]) as sent:
            among = _send(stack, count, "among")
        evidence.drain(stack, _DRAIN_SECONDS)
        retried, buried = _retried(stack), _buried(stack)
        sound = until(stack.is_sound)
    jobs = alone.jobs | among.jobs
    late = f"{among.late:.2f} : {alone.late:.2f} s"
    said = ", ".join(f"{number} {what}" for what, number in sorted(sent.items()))
    return [
        reported(GOAL, "sent beside the innocents", said),
        none_of(GOAL, f"{2 * count} innocents: not completed", len(alone.failed + among.failed)),
        none_of(GOAL, "innocents tried again", len(jobs & retried)),
        none_of(GOAL, "innocents dead-lettered", len(jobs & buried)),
        Finding(GOAL, "all parts at work afterwards", str(sound), "True", sound),
        Finding(
            GOAL,
            "p99 of the innocents among them : alone",
            late,
            f"<= {_LATEST:g} times",
            among.late <= _LATEST * alone.late,
            of_speed=True,
        ),
    ]


def _send(stack: LocalStack, count: int, series: str) -> Innocents:
    innocents = Innocents()
    started = time.monotonic()
    with ThreadPoolExecutor(_CLIENTS) as clients:
        list(clients.map(partial(_send_one, stack, innocents, series, started), range(count)))
    return innocents


def _send_one(
    stack: LocalStack, innocents: Innocents, series: str, started: float, number: int
) -> None:
    began = started + number / _PER_SECOND
    time.sleep(max(0.0, began - time.monotonic()))
    job = sending.accepted(stack, pictures.fresh(f"{series} {number}"))["jobId"]
    innocents.jobs.add(job)
    ended = stack.finished(job, _DRAIN_SECONDS)
    innocents.seconds.append(time.monotonic() - began)
    if ended["status"] != "completed":
        innocents.failed.append(job)


@contextmanager
def _hostile(stack: LocalStack, bombs: int) -> Iterator[Counter[str]]:
    """Send bombs and poison until told enough; what was sent, by kind, is known afterwards.

    From a process of its own: here it would hold up those who time the innocents.
    """
    context = multiprocessing.get_context("spawn")  # nothing of ours is shared by accident
    ours, theirs = context.Pipe()
    sender = context.Process(target=_send_hostile, args=(stack, bombs, theirs))
    sender.start()
    theirs.close()  # so that one that died is noticed
    sent: Counter[str] = Counter()
    try:
        ours.recv()  # the bombs are made
        yield sent
        ours.send("enough")
        sent.update(ours.recv())
    finally:
        ours.close()
        sender.join(_DRAIN_SECONDS)
        if sender.exitcode is None:
            sender.kill()
            sender.join()


def _send_hostile(stack: LocalStack, count: int, told: Connection) -> None:
    bombs = list(itertools.islice(_passing_the_door(), count))
    sent: Counter[str] = Counter()
    enough = threading.Event()
    with ThreadPoolExecutor(2) as senders:
        running = [
            senders.submit(_send_bombs, stack, bombs, sent, enough),
            senders.submit(_send_poison, stack, sent, enough),
        ]
        try:
            told.send("begun")
            told.recv()
        finally:  # whoever wants it may have died
            enough.set()
        for each in running:
            each.result()
    told.send(sent)


def _send_bombs(
    stack: LocalStack, bombs: list[bytes], sent: Counter[str], enough: threading.Event
) -> None:
    for bomb in itertools.cycle(bombs):
        if enough.wait(_BOMB_PAUSE_SECONDS):
            return
        try:
            sent[f"bombs answered {stack.upload(bomb).status_code}"] += 1
        except requests.RequestException:
            sent["bombs unanswered"] += 1


def _passing_the_door() -> Iterator[bytes]:
    """What is decoded, to its end or to that of its budget."""
    for make in BOMBS.values():
        data = make()
        try:
            decoding.inspect(data, cost.LIMITS)
        except InvalidImage:
            continue
        yield data


def _send_poison(stack: LocalStack, sent: Counter[str], enough: threading.Event) -> None:
    with poisoned.poison_producer(stack) as producer:
        for number, message in enumerate(poison(_SEED, 1_000_000)):
            if enough.wait(_POISON_PAUSE_SECONDS):
                return
            topic = poisoned.TOPICS[number % len(poisoned.TOPICS)]
            producer.produce(topic.name, message.value, message.key)
            sent["messages of poison"] += 1


def _retried(stack: LocalStack) -> set[str]:
    """Jobs of the events that wait, or waited, for another attempt."""
    found = set()
    for record in read_topic(stack, topics.RETRY.name):
        try:
            found.add(str(record.event["data"]["jobId"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # poison
    return found


def _buried(stack: LocalStack) -> set[str]:
    """Jobs that have a dead letter."""
    return {letter.uploaded.job_id for letter in poisoned.letters(stack) if letter.uploaded}
