"""Each event is delivered one to five times, shuffled; each image has one result, inferred once.

Half of the events lie there again before the first of them is read, so that they meet in batches;
the other half come again after their results are stored.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import Producer

from pipeline.kafka import topics
from pipeline.kafka.clients import connection
from tests.chaos import evidence
from tests.chaos.faults import CONSUMER
from tests.chaos.findings import Finding, Size, reported
from tests.chaos.storm import findings_of
from tests.chaos.trial import PATIENT_CACHE, Trial
from tests.kafka import Record, read_accepted
from tests.local_stack import LocalStack, running_stack

GOAL = "R6"

_IMAGES = {Size.SHORT: 300, Size.FULL: 3_000}
_MOST_DELIVERIES = 5
_MOST_INFERENCES = 1.01
_SECONDS_PER_IMAGE = 0.2
_PATIENCE_SECONDS = 300.0
_FLUSH_SECONDS = 300.0


def run(
    size: Size, folder: Path, seed: int | None = None, images: int | None = None
) -> list[Finding]:
    """Accept images, deliver their events again, and look at what is there."""
    chooser = random.Random(6 if seed is None else seed)
    half = (images or _IMAGES[size]) // 2
    with running_stack(folder / "state") as stack:
        trial = Trial(stack, folder, classifier=PATIENT_CACHE)
        with stack.frozen(CONSUMER):
            _upload(trial, half)
            first = read_accepted(stack)
            waiting = _deliver_again(stack, first, chooser)
        evidence.drain(stack, half * _SECONDS_PER_IMAGE + _PATIENCE_SECONDS)
        _upload(trial, half)
        evidence.drain(stack, half * _SECONDS_PER_IMAGE + _PATIENCE_SECONDS)
        known = {record.key for record in first}
        second = [each for each in read_accepted(stack) if each.key not in known]
        finished = _deliver_again(stack, second, chooser)
        verdict, left = trial.judge(half * _SECONDS_PER_IMAGE + _PATIENCE_SECONDS)
    distinct = len({each.key for each in left.inferences})
    ratio = len(left.inferences) / distinct
    measured = f"{ratio:.4f} ({len(left.inferences):,} / {distinct:,})"
    allowed, held = f"<= {_MOST_INFERENCES}", ratio <= _MOST_INFERENCES
    what = f"{verdict.accepted:,} images, each event up to {_MOST_DELIVERIES} times, shuffled"
    delivered = waiting + finished
    said = ", ".join(f"{count:,} x {times}" for times, count in sorted(delivered.items()))
    return [
        *findings_of(GOAL, what, verdict),
        Finding(GOAL, "inferences / distinct images", measured, allowed, held),
        reported(GOAL, "events by number of deliveries", said),
    ]


def _upload(trial: Trial, images: int) -> None:
    with trial.load() as load:
        load.run(accepted=images, seconds=images * _SECONDS_PER_IMAGE + _PATIENCE_SECONDS)


def _deliver_again(
    stack: LocalStack, records: Sequence[Record], chooser: random.Random
) -> Counter[int]:
    """Write each event up to four times more, in any order; count events by deliveries."""
    times = [chooser.randint(1, _MOST_DELIVERIES) for _ in records]
    again = [record for record, count in zip(records, times, strict=True) for _ in range(count - 1)]
    producer = Producer(connection(stack.settings))
    for record in chooser.sample(again, len(again)):
        producer.produce(topics.UPLOADS.name, record.value, record.key)
    assert producer.flush(_FLUSH_SECONDS) == 0, "Kafka did not take the copies"
    return Counter(times)
