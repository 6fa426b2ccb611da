"""How far the consumer group is, and which events lie before and behind its commits."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from pipeline.kafka import topics
from pipeline.kafka.topic_reader import Span, TopicReader


@dataclass(frozen=True)
class Positions:
    """The topics at one moment; taken before anything else is looked at.

    Whatever was committed then has its result, its failure or its retry: what is looked at later
    shows it. Everything else is in an open span.

    Attributes:
        uploads: all that the topics hold in which accepted images come in.
        unfinished: of these and image-uploads-retry, what is not committed.
        frontier: seconds since 1970; every event written before it is committed.
    """

    uploads: list[Span]
    unfinished: list[Span]
    frontier: float

    def unfinished_from(self, topic: str, partition: int) -> int:
        """Tell from which offset on a partition is not committed."""
        (span,) = (
            span for span in self.unfinished if (span.topic, span.partition) == (topic, partition)
        )
        return span.first


def take(reader: TopicReader) -> Positions:
    """Look at the topics now.

    The committed positions come first, then the ends: an event that came in meanwhile is counted as
    unfinished, and a retry that replaced its event is still before its topic's end.

    Raises:
        Unavailable: Kafka does not answer.
    """
    now = time.time()
    before = [span for topic in topics.READ for span in reader.spans(topic.name)]
    starts = {(span.topic, span.partition): span.first for span in reader.uncommitted(before)}
    after = [span for topic in topics.READ for span in reader.spans(topic.name)]
    # Of a partition that was added meanwhile nothing is committed.
    unfinished = [
        replace(end, first=max(starts.get((end.topic, end.partition), 0), end.first))
        for end in after
    ]
    uploads = [span for span in after if span.topic != topics.RETRY.name]
    return Positions(uploads, unfinished, min([now, *_oldest(reader, unfinished)]))


def _oldest(reader: TopicReader, spans: list[Span]) -> list[float]:
    """Find when the first event of each span was written."""
    first = [Span(span.topic, span.partition, span.first, span.first + 1) for span in spans if span]
    return [record.timestamp for span in first for record in reader.read(span)]
