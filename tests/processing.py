"""The consumer's work on a batch, over fakes."""

from __future__ import annotations

import json
from typing import Any, cast

from circuit_breaker import Breaker
from deliveries import Delivery, read
from pipeline.consuming.retries import RetryPolicy
from pipeline.events.cloudevents import ImageUploaded, Origin
from pipeline.storage.results import Results
from process import Processor
from tests.fakes import MemoryCache, MemoryStore, ScriptedClassifier, StubBroker

NOW = 1_800_000_000.0


class Bench:
    """A processor with fakes all round."""

    def __init__(self) -> None:
        self.classifier = ScriptedClassifier()
        self.broker = StubBroker()
        self.store = MemoryStore()
        self.breaker = Breaker(60, 30.0, lambda: True)
        self.processor = Processor(
            self.classifier,
            self.broker,
            Results(self.store, MemoryCache()),
            RetryPolicy(max_attempts=3, base_seconds=1.0, max_seconds=10.0),
            self.breaker,
            clock=lambda: NOW,
        )

    def failure(self, event: ImageUploaded) -> dict[str, Any]:
        key = f"failures/{event.tenant_id}/{event.job_id}.json"
        return cast(dict[str, Any], json.loads(self.store.objects["classification-results", key]))


def deliver(*events: ImageUploaded) -> list[Delivery]:
    """Deliver these, each at an offset of its own."""
    return [
        read(event.encode(), Origin("image-uploads", 0, offset), redelivered=False)
        for offset, event in enumerate(events)
    ]
