"""How a stack is watched, when it is done, and what it left behind: topics, buckets, inferences."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.errors import MalformedEvent
from pipeline.events.cloudevents import decode_uploaded
from pipeline.ids import image_id
from pipeline.kafka import topics
from pipeline.kafka.clients import connection
from tests.chaos import buckets
from tests.chaos.traces import Classified, Evidence, Inference, Letter
from tests.imagectl import imagectl
from tests.stack import ROOT, Stack

_TIMEOUT_SECONDS = 60.0
# While Kafka may be away: a client that it came back to too late is given up for a new one.
_ASK_SECONDS = 10.0
_AT_ONCE = 1000
# Of 200,000 images, on a machine that has other work.
_ACCOUNT_SECONDS = 1800.0
# An upload that got no answer may still be written by its producer, which gives up after 1.5 s.
_SETTLED_SECONDS = 2.0
_READ = topics.READ
# What `make up` sends through a stack that it has started.
_EXAMPLE = ROOT / "models" / "demonstration" / "example.png"
_GREETING = ("default", image_id(_EXAMPLE.read_bytes()))


def watch(stack: Stack, classifier: Mapping[str, str] | None = None) -> None:
    """Prepare a fresh stack: overwritten results are kept, every inference leaves a line.

    Args:
        classifier: settings that image-classifier is given besides.
    """
    buckets.keep_versions(stack)
    log = stack.inside(inference_log(stack))
    stack.give("image-classifier", INFERENCE_LOG=log, **(classifier or {}))


def inference_log(stack: Stack) -> Path:
    """Where the classifier's replicas write a line before each inference."""
    return stack.shared / "inferences.log"


def drain(stack: Stack, seconds: float = 300.0) -> float:
    """Wait until the consumer group has committed all that there is; return how long it took.

    Raises:
        AssertionError: it did not; says how far behind it is.
    """
    started = time.monotonic()
    settled_since: float | None = None
    while True:
        now, behind = time.monotonic(), lag(stack)
        settled_since = (settled_since or now) if behind == 0 else None
        if settled_since is not None and now - settled_since >= _SETTLED_SECONDS:
            return settled_since - started
        assert now - started < seconds, f"the consumer is {behind} events behind after {seconds} s"
        time.sleep(0.2)


def lag(stack: Stack, group: str = "", read: Sequence[topics.Topic] = _READ) -> int | None:
    """Count the events that a group has not committed; None when Kafka does not answer.

    Args:
        group: the consumer's, unless another is named.
        read: the topics that it reads.
    """
    try:
        committed, ends = positions(stack, group, read, _ASK_SECONDS)
    except KafkaException:
        return None
    return sum(end - committed[place] for place, end in ends.items())


def collect(stack: Stack) -> Evidence:
    """Read everything that is there now."""
    evidence = Evidence(others={_GREETING})
    evidence.committed, evidence.ends = positions(stack)
    for message in _messages(stack, *_READ):
        _take_upload(evidence, message)
    for message in _messages(stack, topics.RESULTS):
        _take_classified(evidence, message)
    for message in _messages(stack, topics.FAILURES):
        _take_letter(evidence, message)
    buckets.collect(stack, evidence)
    evidence.inferences = list(inferences(stack))
    evidence.conservation = _conservation(stack)
    return evidence


def inferences(stack: Stack) -> Iterator[Inference]:
    """Read the lines that the classifier wrote, each before an inference."""
    path = inference_log(stack)
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            at, pid, tenant, image, model = line.split()
            yield Inference(float(at), int(pid), (tenant, image, model))


def _conservation(stack: Stack) -> dict[str, int]:
    """Ask the product for its own account of what was accepted."""
    told = imagectl(stack, "reconcile", "--dry-run", "--json", seconds=_ACCOUNT_SECONDS)
    assert told.returncode == 0, told.stderr
    figures = json.loads(told.stdout)
    # What it misses is no state of its own here: the checker lists it as lost.
    in_flight = figures["inFlight"] + figures["missing"]
    names = ("accepted", "completed", "failed")
    return {**{name: figures[name] for name in names}, "in flight": in_flight}


def positions(
    stack: Stack,
    group: str = "",
    read: Sequence[topics.Topic] = _READ,
    seconds: float = _TIMEOUT_SECONDS,
) -> tuple[dict[tuple[str, int], int], dict[tuple[str, int], int]]:
    """The group's position and the end of every partition that it reads.

    Raises:
        KafkaException: Kafka does not say it of every partition, each time within so many seconds.
    """
    consumer = _consumer(stack, group)
    try:
        places = [TopicPartition(topic.name, n) for topic in read for n in range(topic.partitions)]
        ends, committed = {}, {}
        for place in consumer.committed(places, timeout=seconds):
            if place.error:
                raise KafkaException(place.error)
            first, end = consumer.get_watermark_offsets(place, timeout=seconds)
            ends[place.topic, place.partition] = end
            committed[place.topic, place.partition] = max(place.offset, first)
        return committed, ends
    finally:
        consumer.close()


def _messages(stack: Stack, *wanted: topics.Topic) -> Iterator[Message]:
    """Yield all that topics hold now, partition by partition."""
    consumer = _consumer(stack)
    try:
        for topic in wanted:
            for number in range(topic.partitions):
                yield from _partition(consumer, topic.name, number)
    finally:
        consumer.close()


def _partition(consumer: Consumer, topic: str, number: int) -> Iterator[Message]:
    place = TopicPartition(topic, number)
    first, end = consumer.get_watermark_offsets(place, timeout=_TIMEOUT_SECONDS)
    consumer.assign([TopicPartition(topic, number, first)])
    while first < end:
        messages = consumer.consume(min(_AT_ONCE, end - first), timeout=_TIMEOUT_SECONDS)
        assert messages, f"{topic}/{number} ended at {first}, before its end {end}"
        for message in messages:
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                return
            first = (message.offset() or 0) + 1
            yield message


def _consumer(stack: Stack, group: str = "") -> Consumer:
    """A reader that joins no group; it carries the name only to ask for its positions."""
    return Consumer(
        {
            **connection(stack.settings),
            "group.id": group or stack.settings.consumer_group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "fetch.wait.max.ms": 10,
            # As the consumer does; what ends a transaction is no message.
            "isolation.level": "read_uncommitted",
            "enable.partition.eof": True,
        }
    )


def _take_upload(evidence: Evidence, message: Message) -> None:
    try:
        event = decode_uploaded(message.value() or b"")
    except MalformedEvent:
        return  # no event: the consumer makes a dead letter of it
    if message.topic() == topics.RETRY.name:
        evidence.retries += 1
    else:
        evidence.uploaded[event.job_id] = (event.tenant_id, event.image_id, event.model_id)
    if event.replays:
        evidence.replayed.add(event.job_id)


def _take_classified(evidence: Evidence, message: Message) -> None:
    data: dict[str, Any] = json.loads(message.value() or b"")["data"]
    job, at = data["jobId"], message.timestamp()[1] / 1000
    if known := evidence.classified.get(job):
        evidence.classified[job] = replace(known, times=known.times + 1)
        return
    label = data["labels"][0]["label"]
    names = (data["tenantId"], data["imageId"], data["modelId"])
    partition = message.partition() or 0
    evidence.classified[job] = Classified(*names, label=label, at=at, partition=partition)


def _take_letter(evidence: Evidence, message: Message) -> None:
    data: dict[str, Any] = json.loads(message.value() or b"")["data"]
    origin = [data.get(f"origin{part}") for part in ("Topic", "Partition", "Offset")]
    reason = data.get("reason") or {}
    original = data.get("originalEvent")
    whole = None not in origin and all(reason.get(name) for name in ("code", "detail"))
    letter = Letter(
        reason=f"{reason.get('code', '')}: {reason.get('detail', '')}",
        attempts=int(data.get("attempts") or 0),
        is_whole=whole and bool(original or data.get("originalBytes")) and "attempts" in data,
    )
    letters = evidence.letters if original else evidence.unreadable_letters
    name = original["data"]["jobId"] if original else "/".join(map(str, origin))
    known = letters.get(name)
    letters[name] = replace(known, times=known.times + 1) if known else letter
