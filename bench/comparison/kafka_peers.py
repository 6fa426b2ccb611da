"""The consumers that ours is compared with: how each is started, given its work and checked."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.checks import BenchFailed, check_labels
from bench.comparison import environment, example_loop
from bench.comparison.guests import Guest, guest
from bench.comparison.http_peers import WORKERS, environment_of, mlserver_folder
from bench.load.backlogs import PARTITIONS, Message, make_topics, publish, put_images
from bench.measuring.warm import Warm
from bench.progress import say
from bench.reporting.figures import middle_rate
from bench.stacks.processes import spending
from pipeline.errors import Unavailable
from pipeline.events.cloudevents import ImageUploaded
from pipeline.ids import RESULT_BUCKET, result_key
from pipeline.storage.object_store import ObjectStore

_READY_SECONDS = 120.0
_PROBE_SECONDS = 3.0
# Nothing at all for so long: what is missing will not come.
_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.5

# When each of the results that are there was stored, by its key.
Stored = dict[str, float]


@dataclass(frozen=True)
class Peer:
    """A consumer with topics and a tenant of its own.

    Attributes:
        turn: another for every backlog; names the topics and the tenant.
        folder: where it may write.
    """

    warm: Warm
    turn: str
    folder: Path

    @property
    def topics(self) -> tuple[str, str]:
        """What it reads and what it writes."""
        return f"{self.turn}-taken", f"{self.turn}-given"

    @property
    def store(self) -> ObjectStore:
        """Where results are looked for."""
        return ObjectStore(self.warm.stack.settings)

    def drain(self, images: int) -> dict[str, Any]:
        """Start it, let it work off a backlog, compare what it stored, end it.

        Raises:
            BenchFailed: it ended, results did not come, or labels are wrong.
        """
        settings = self.warm.stack.settings
        make_topics(settings, *self.topics)
        with self._running() as running:
            self._wake(running)
            events = self._put(images)
            say(f"Draining {images:,} images.")
            with spending(self.warm.stack.run_dir) as spent:
                self._publish(events)
                stored = self._wait(running, events, _PATIENCE_SECONDS)
        self.check(events)
        rate = middle_rate([stored[self.key(each)] for each in events])
        return {"imagesPerSecond": round(rate, 1), **spent.per_image(images)}

    def commands(self) -> dict[str, list[str]]:
        """What is run, by the name of the process."""
        raise NotImplementedError

    def message(self, event: ImageUploaded) -> Message:
        """Write an event as it expects it."""
        return event.encode(), {}

    def key(self, event: ImageUploaded) -> str:
        """Name the result of an event."""
        return result_key(self.turn, event.image_id, event.model_id)

    def stored(self) -> Stored:
        """List what it has stored."""
        found = self.store.listed(RESULT_BUCKET, f"{self.turn}/")
        return {each.key: each.stored_at for each in found}

    def check(self, events: Sequence[ImageUploaded]) -> None:
        """Compare the labels that it stored."""
        bodies = self.store.get_many(RESULT_BUCKET, [self.key(event) for event in events])
        check_labels(self.warm.labels, (json.loads(body or b"")["labels"] for body in bodies))

    @contextmanager
    def _running(self) -> Iterator[list[Guest]]:
        own, run_dir = environment_of(self.warm.stack, self.folder), self.warm.stack.run_dir
        with ExitStack() as guests:
            yield [
                guests.enter_context(guest(run_dir, name, command, own, self.folder))
                for name, command in self.commands().items()
            ]

    def _wake(self, running: Sequence[Guest]) -> None:
        """Send an image to each partition, others again and again, until both have results."""
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            events = self._put(PARTITIONS)
            self._publish(events)
            try:
                self._wait(running, events, _PROBE_SECONDS)
            except TimeoutError:
                continue
            for each in running:
                each.settle()
            return
        raise BenchFailed(f"{running[0].name} stored nothing in {_READY_SECONDS:g} s")

    def _put(self, images: int) -> list[ImageUploaded]:
        image, model_id = self.warm.drain.new_images(), self.warm.model["modelId"]
        return put_images(self.store, image, images, self.turn, model_id)

    def _publish(self, events: Sequence[ImageUploaded]) -> None:
        messages = [self.message(event) for event in events]
        publish(self.warm.stack.settings, self.topics[0], messages)

    def _wait(
        self, running: Sequence[Guest], events: Sequence[ImageUploaded], patience: float
    ) -> Stored:
        """Wait for the results; what is asked for is asked seldom, as MinIO works on it too."""
        keys = {self.key(event) for event in events}
        missing, deadline = len(keys), time.monotonic() + patience
        while time.monotonic() < deadline:
            for each in running:
                each.check()
            try:
                stored = self.stored()
            except Unavailable:  # the loop makes its bucket when it starts
                stored = {}
            still = len(keys - stored.keys())
            if not still:
                return stored
            if still < missing:
                missing, deadline = still, time.monotonic() + patience
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"{missing} of {len(keys)} results did not come")


class FastStream(Peer):
    """Two processes that share the partitions."""

    def commands(self) -> dict[str, list[str]]:
        command = [str(environment.python("peers")), "-m", "bench.peers.faststream_worker"]
        return {f"faststream-{each + 1}": [*command, *self.topics] for each in range(WORKERS)}


class MLServer(Peer):
    """One process that reads, with two workers behind it."""

    def commands(self) -> dict[str, list[str]]:
        taken, given = self.topics
        kafka = {
            "kafka_enabled": True,
            "kafka_servers": self.warm.stack.settings.kafka_bootstrap_servers,
            "kafka_topic_input": taken,
            "kafka_topic_output": given,
        }
        mlserver_folder(self.folder, kafka, tuned=True)
        command = [str(environment.python("peers")), "-m", "bench.peers.mlserver_start"]
        return {"mlserver": [*command, "start", str(self.folder)]}

    def message(self, event: ImageUploaded) -> Message:
        raw = event.encode().decode()
        one = {"name": "event", "shape": [1], "datatype": "BYTES", "data": [raw]}
        return json.dumps({"inputs": [one]}).encode(), {"mlserver-model": "classifier"}


@dataclass(frozen=True)
class ExampleLoop(Peer):
    """The loop that the example systems have; it knows classes alone.

    Attributes:
        model_dir: with the Keras model and its labels.
    """

    model_dir: Path

    def commands(self) -> dict[str, list[str]]:
        words = ["--topic", self.topics[0], "--model-dir", str(self.model_dir)]
        return {"example-loop": [sys.executable, "-m", "bench.comparison.example_loop", *words]}

    def key(self, event: ImageUploaded) -> str:
        return f"{event.image_id}.json"

    def stored(self) -> Stored:
        bucket = self.store.listed(example_loop.BUCKET, "")
        return {each.key: each.stored_at for each in bucket}

    def check(self, events: Sequence[ImageUploaded]) -> None:
        """Compare the best label: it squashes the picture, so that scores differ."""
        known = (self.model_dir / "labels.txt").read_text(encoding="utf-8").splitlines()
        bodies = self.store.get_many(example_loop.BUCKET, [self.key(each) for each in events])
        said = {known[json.loads(body or b"")["class"]] for body in bodies}
        if said != {self.warm.labels[0]["label"]}:
            raise BenchFailed(f"the example loop says {said}; expected {self.warm.labels[0]}")
