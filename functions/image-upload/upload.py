"""What makes an upload accepted: inspected, stored, published, in this order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from form import SentFile
from idempotency import Turn
from lanes import Lanes
from pipeline import ids, telemetry
from pipeline.events import cloudevents
from pipeline.events.provenance import metadata_of
from pipeline.hooks import crashes
from pipeline.ids import INPUT_BUCKET, Job, JobIds
from pipeline.images import decoding
from pipeline.kafka.publisher import Publisher
from pipeline.storage.object_store import ObjectStore
from quota_gate import Taken

logger = logging.getLogger(__name__)

# Gives one image room, or raises OverQuota; asks whether it is stored where that may matter.
Room = Callable[[Callable[[], bool]], AbstractContextManager[Taken]]


def _as_much_as_comes(_: Callable[[], bool]) -> AbstractContextManager[Taken]:
    return nullcontext(Taken())


@dataclass(frozen=True)
class Uploads:
    """Accepts images under one model."""

    limits: decoding.Limits
    store: ObjectStore
    publisher: Publisher
    job_ids: JobIds
    model_id: str
    lanes: Lanes = field(default_factory=Lanes)

    def accept(
        self,
        tenant: str,
        sent: SentFile,
        trace_id: str,
        names: Mapping[str, str] | None = None,
        turn: Turn | None = None,
        number: int = 0,
        *,
        is_awaited: bool = False,
        room: Room = _as_much_as_comes,
    ) -> Job:
        """Make one submission durable; when this returns, the object and its event are.

        Args:
            names: what the log line says of the request beside its trace.
            turn: the request's, if it has an Idempotency-Key.
            number: of the image in its request.
            is_awaited: a client waits for the result.
            room: of the tenant's quota; not asked for what an earlier request has done.

        Raises:
            KeyReused: the key came with other images before.
            InvalidImage: nothing was stored and no event sent.
            OverQuota: likewise.
            Unavailable: MinIO or Kafka did not confirm; the event may still land.
        """
        info = decoding.inspect(sent.data, self.limits)
        image = ids.image_id(sent.data)
        key = ids.input_key(tenant, image, info.format.extension)
        if turn is None:
            job = self._new_job(tenant, image)
        else:
            turn.open([image])
            job = turn.job(number, image)
            if turn.is_done:
                return job
        event = cloudevents.ImageUploaded(
            tenant_id=tenant,
            job_id=job.job_id,
            image_id=image,
            model_id=job.model_id,
            original_file_name=sent.name,
            storage_path=f"{INPUT_BUCKET}/{key}",
            file_size=len(sent.data),
            mime_type=info.format.mime_type,
            uploaded_at=cloudevents.datetime_text(job.accepted_at.timestamp()),
            duplicate=False,
            redelivered=turn is not None and turn.is_repeated,
            traceparent=telemetry.child_traceparent(trace_id),
        )
        with room(lambda: self.store.exists(INPUT_BUCKET, key)) as taken:
            taken.created = self.store.create(
                INPUT_BUCKET, key, sent.data, event.mime_type, metadata_of(event)
            )
            crashes.point("upload.stored")
            event = replace(event, duplicate=not taken.created)
            with self.lanes.one(tenant, is_awaited=is_awaited) as lane:
                lane.written = self.publisher.publish(lane.topic.name, image, event.encode())
            taken.place = (lane.topic, lane.written)
            crashes.point("upload.acknowledged")
        known = {"image_id": image, "job_id": event.job_id, "trace_id": trace_id}
        logger.info("accepted", extra={**known, **(names or {})})
        return job

    def _new_job(self, tenant: str, image: str) -> Job:
        about = (tenant, image, self.model_id, datetime.now(UTC))
        return Job(self.job_ids.issue(*about), *about)
