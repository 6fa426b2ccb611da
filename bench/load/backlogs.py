"""Backlogs of consumers that are not ours: images in MinIO, and events that name them in Kafka."""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from bench.load.drain import Images
from pipeline import ids
from pipeline.events.cloudevents import ImageUploaded, datetime_text
from pipeline.ids import INPUT_BUCKET
from pipeline.kafka.clients import connection
from pipeline.settings import Settings
from pipeline.storage.object_store import ObjectStore

# One for each worker: more would not be shared out evenly.
PARTITIONS = 2

_JOBS = ids.JobIds("nobody asks for these jobs")

_TIMEOUT_SECONDS = 30.0
_TOGETHER = 8

# A message of an event as a consumer expects it: its value, and its headers.
Message = tuple[bytes, dict[str, str]]


def put_images(
    store: ObjectStore, image: Images, count: int, tenant: str, model_id: str
) -> list[ImageUploaded]:
    """Store so many images; return the event of each, which nobody is sent yet."""
    found: list[ImageUploaded] = []
    for first in range(0, count, _TOGETHER):
        images = [image(number) for number in range(first, min(first + _TOGETHER, count))]
        made = [_event(data, tenant, model_id) for data in images]
        keys = [each.storage_path.removeprefix(f"{INPUT_BUCKET}/") for each in made]
        store.put_many(INPUT_BUCKET, dict(zip(keys, images, strict=True)), "image/jpeg")
        found += made
    return found


def make_topics(settings: Settings, *names: str) -> None:
    """Make topics."""
    client = AdminClient(connection(settings))
    made = client.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    for future in made.values():
        future.result(_TIMEOUT_SECONDS)


def publish(settings: Settings, topic: str, messages: Sequence[Message]) -> None:
    """Write messages, shared out among the partitions in turn."""
    producer = Producer(connection(settings))
    for number, (value, headers) in enumerate(messages):
        producer.produce(topic, value, partition=number % PARTITIONS, headers={**headers})
    producer.flush(_TIMEOUT_SECONDS)


def _event(data: bytes, tenant: str, model_id: str) -> ImageUploaded:
    image = ids.image_id(data)
    return ImageUploaded(
        tenant_id=tenant,
        job_id=_JOBS.reissue(tenant, image, model_id, time.time()).job_id,
        image_id=image,
        model_id=model_id,
        original_file_name="photo.jpg",
        storage_path=f"{INPUT_BUCKET}/{ids.input_key(tenant, image, 'jpg')}",
        file_size=len(data),
        mime_type="image/jpeg",
        uploaded_at=datetime_text(time.time()),
        duplicate=False,
        traceparent="",
    )
