"""`imagectl reconcile`: accounts for every accepted image, and sends again what was lost."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from confluent_kafka import KafkaException

from imagectl import positions
from imagectl.conservation import Audit, Jobs
from imagectl.positions import Positions
from imagectl.reemit import Images, read_again
from imagectl.settings import patient, settings_of
from pipeline import telemetry
from pipeline.errors import PipelineError, Unavailable
from pipeline.events.cloudevents import ImageUploaded
from pipeline.ids import JobIds
from pipeline.kafka import administration, topics
from pipeline.kafka.publisher import Publisher
from pipeline.kafka.topic_reader import TopicReader
from pipeline.models import bundles
from pipeline.settings import Settings
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.s3 import Listed

logger = logging.getLogger(__name__)

# Longer than an upload takes from storing its image to the acknowledgement of its event.
_GRACE_SECONDS = 60.0
# Of the time between two looks a timer's listings are spread over so much.
_SPREAD = 0.9
_NAMES = {
    "accepted": "accepted",
    "completed": "completed",
    "failed": "failed",
    "inFlight": "in flight",
    "missing": "missing",
    "reEmitted": "sent again",
}


@click.command()
@click.option("--dry-run", is_flag=True, help="Only tell what would be sent again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--every", type=float, metavar="SECONDS", help="Do it again and again, and log it.")
@click.option(
    "--grace", default=_GRACE_SECONDS, show_default=True, help="Seconds an upload may take."
)
def reconcile(dry_run: bool, as_json: bool, every: float | None, grace: float) -> None:
    """Account for every accepted image, and send again what was lost.

    accepted = completed + failed + in flight + missing. Sent again are missing jobs, stored images
    of which no event, result or failure knows, and failed jobs that were to be tried anew and wait
    nowhere, when they are older than all that is waiting.
    Nothing that waits for its turn is sent again, so this may run at any time.
    """
    settings = patient(settings_of(os.environ))
    if every is not None:
        _repeat(settings, every, grace, dry_run=dry_run)
        return
    with _reconciliation(settings, grace, dry_run=dry_run) as work:
        figures = work.run()
    if as_json:
        click.echo(json.dumps(figures))
        return
    for name, text in _NAMES.items():
        click.echo(f"{text:<12} {figures[name]}")
    if dry_run:
        click.echo(f"would be sent again: {figures['found']}")


@dataclass
class Reconciliation:
    """One look at topics and buckets, and what is done about it."""

    settings: Settings
    reader: TopicReader
    store: ObjectStore
    publisher: Publisher
    folder: Path
    grace_seconds: float
    dry_run: bool
    found: int = 0
    re_emitted: int = 0

    def run(self) -> dict[str, Any]:
        """Account for everything, send again what was lost.

        Raises:
            Unavailable: MinIO or Kafka does not answer.
        """
        taken = positions.take(self.reader)
        audit = Audit(self.store, Jobs.read(self.reader, taken, self.folder), self.folder)
        for stored in audit.unknown_images():
            if self._is_old(stored, taken):
                self._send(self._images.event(stored))
        for event in read_again(self.reader, taken, audit.missing):
            self._send(event)
        for note in audit.notes:
            if self._is_older(note.retried_at, taken):
                self._send(note.event)
        balance = audit.balance
        return {
            "accepted": balance.accepted,
            "completed": balance.completed,
            "failed": balance.failed,
            "inFlight": balance.in_flight,
            "missing": balance.missing,
            "reEmitted": self.re_emitted,
            "found": self.found,
            "stored": audit.images,
            "missingJobs": [line.partition(" ")[2] for line in audit.missing],
        }

    def is_needed(self, spread_seconds: float = 0.0) -> bool:
        """Tell whether an image or a retry may be lost; costs three listings and no event.

        Args:
            spread_seconds: how much longer the listings may take, for the load of those that work.

        Raises:
            Unavailable: MinIO or Kafka does not answer.
        """
        taken = positions.take(self.reader)
        audit = Audit(self.store, None, self.folder, spread_seconds=spread_seconds)
        if any(self._is_old(stored, taken) for stored in audit.unknown_images()):
            return True
        return any(self._is_older(note.retried_at, taken) for note in audit.notes)

    @property
    def _images(self) -> Images:
        job_ids = JobIds(self.settings.secrets.keys("job-signing-key"))
        return Images(
            self.store, job_ids, lambda: bundles.current_model_id(self.settings, self.store)
        )

    def _is_old(self, stored: Listed, taken: Positions) -> bool:
        return self._is_older(stored.stored_at, taken)

    def _is_older(self, moment: float, taken: Positions) -> bool:
        return moment < taken.frontier - self.grace_seconds

    def _send(self, event: ImageUploaded | None) -> None:
        if event is None:
            return
        self.found += 1
        if not self.dry_run:
            lane = topics.bulk_of(event.tenant_id)
            self.publisher.publish(lane.name, event.image_id, event.encode())
            self.re_emitted += 1
            names = {"image_id": event.image_id, "job_id": event.job_id}
            logger.info("sent again", extra=names)


@contextmanager
def _reconciliation(
    settings: Settings, grace_seconds: float, *, dry_run: bool
) -> Iterator[Reconciliation]:
    """Connect for one run: between two, a timer holds no connection and no thread."""
    reader, publisher = TopicReader(settings), Publisher(settings)
    try:
        with tempfile.TemporaryDirectory(prefix="reconcile-") as folder:
            store = ObjectStore(settings)
            yield Reconciliation(
                settings, reader, store, publisher, Path(folder), grace_seconds, dry_run
            )
    finally:
        publisher.close()
        reader.close()


def _repeat(settings: Settings, every: float, grace_seconds: float, *, dry_run: bool) -> None:
    """Reconcile until the process is ended, which it may be at any time."""
    telemetry.configure("reconciler", settings.log_level)
    # Soon after the start: what a machine lost that went down is missed first then.
    wait, spread_seconds = min(every, grace_seconds), 0.0
    while True:
        time.sleep(wait)
        wait = max(0.0, every - spread_seconds)
        try:
            if not dry_run:
                _grow(settings)
            with _reconciliation(settings, grace_seconds, dry_run=dry_run) as work:
                is_needed, spread_seconds = work.is_needed(spread_seconds), _SPREAD * every
                if not is_needed:
                    logger.info("nothing to reconcile")
                    continue
                _log(work.run())
        except PipelineError as error:
            logger.warning("cannot reconcile now", extra={"reason": str(error)})


def _grow(settings: Settings) -> None:
    """Add partitions that the start could not add, as events were waiting."""
    try:
        administration.grow(settings)
    except KafkaException as error:
        raise Unavailable(f"Kafka adds no partitions: {error}") from error


def _log(figures: dict[str, Any]) -> None:
    level = logging.ERROR if figures["missing"] else logging.INFO
    logger.log(level, "reconciled", extra=figures)
