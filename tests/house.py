"""Uploads, their consumer's commits, and reconciliation, over fakes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from form import SentFile
from imagectl.reconcile import Reconciliation
from pipeline import ids
from pipeline.events.cloudevents import ImageUploaded, decode_uploaded
from pipeline.images import decoding
from pipeline.kafka import topics
from pipeline.settings import Settings
from pipeline.storage.results import Results
from tests import pictures
from tests.fakes import MemoryCache, MemoryStore, StubBroker, StubReader
from upload import Uploads

MODEL = "demonstration-0123456789ab"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class House:
    """What uploads leave behind, and what becomes of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "job-signing-key").write_text("key")
        self.settings = Settings(secrets_dir=str(folder), model_id=MODEL)
        self.store, self.broker = MemoryStore(), StubBroker()
        self.store.now = lambda: 1000.0
        self.reader = StubReader(self.broker)
        self.reader.written_at = 1000.0
        self.results = Results(self.store, MemoryCache())
        self.job_ids = ids.JobIds("key")
        limits = decoding.Limits.from_settings(Settings())
        self.uploads = Uploads(limits, self.store, self.broker, self.job_ids, MODEL)

    def upload(self, name: str, tenant: str = "default") -> ids.Job:
        picture = pictures.with_nonce(pictures.jpeg(), name.encode())
        return self.uploads.accept(tenant, SentFile(picture, f"{name}.jpg"), TRACE)

    def lose(self) -> None:
        """Lose all events."""
        self.broker.sent.clear()

    def complete(self, job: ids.Job) -> None:
        self.results.save_many({(job.tenant, job.image_id, job.model_id): b"{}"})

    def fail(self, job: ids.Job) -> None:
        self.results.save_failure(job.tenant, job.job_id, b"{}")

    def commit(self) -> None:
        """Commit everything."""
        for topic in topics.READ:
            self.reader.position[topic.name] = len(self.broker.values(topic.name))

    def work(self, **changes: Any) -> Reconciliation:
        work = Reconciliation(
            settings=self.settings,
            reader=self.reader,
            store=self.store,
            publisher=self.broker,
            folder=self.folder,
            grace_seconds=60.0,
            dry_run=False,
        )
        return replace(work, **changes)

    def figures(self, **changes: Any) -> dict[str, int]:
        figures = self.work(**changes).run()
        names = ("accepted", "completed", "failed", "inFlight", "missing", "reEmitted")
        return {name: figures[name] for name in names if figures[name]}

    def events(self) -> list[ImageUploaded]:
        return [
            decode_uploaded(value)
            for topic in topics.ACCEPTED
            for value in self.broker.values(topic.name)
        ]
