"""How events that are lost come back: the original ones, sent again as redelivered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from imagectl.conservation import line_of
from imagectl.positions import Positions
from pipeline.errors import MalformedEvent
from pipeline.events.cloudevents import ImageUploaded, decode_uploaded
from pipeline.events.provenance import recall
from pipeline.ids import INPUT_BUCKET, JobIds
from pipeline.kafka.topic_reader import TopicReader
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.s3 import Listed


@dataclass(frozen=True)
class Images:
    """Makes events of stored images again.

    Attributes:
        current_model: asked when an object does not say under which model it was accepted.
    """

    store: ObjectStore
    job_ids: JobIds
    current_model: Callable[[], str]

    def event(self, stored: Listed) -> ImageUploaded | None:
        """Make the event of an image; None when it is gone, or nothing that was uploaded.

        Raises:
            Unavailable: MinIO does not answer.
        """
        described = self.store.describe(INPUT_BUCKET, stored.key)
        if described is None:
            return None
        try:
            return recall(stored.key, described, self.job_ids, self.current_model)
        except MalformedEvent:
            return None


def read_again(
    reader: TopicReader, positions: Positions, lines: Collection[str]
) -> Iterator[ImageUploaded]:
    """Find the events of jobs where they were accepted, one for each.

    Raises:
        Unavailable: Kafka stopped answering.
    """
    sought = set(lines)
    for span in positions.uploads if sought else []:
        for record in reader.read(span):
            try:
                event = decode_uploaded(record.value)
            except MalformedEvent:
                continue
            if line_of(event) in sought:
                sought.remove(line_of(event))
                yield replace(event, redelivered=True)
