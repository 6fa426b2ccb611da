"""How fast images go through: uploaded while they are classified, and as a backlog drained."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from bench.arrivals import Arrivals
from bench.checks import Labels, check_labels
from bench.client import Client, Uploaded, upload_all
from bench.figures import middle_rate
from bench.photos import Photo
from bench.processes import spending
from bench.progress import say
from bench.stack import CONSUMER, BenchStack

_THREADS = 8
_WARM_UP_IMAGES = 64


class Drain:
    """The two arms, on one stack; every answer is compared with the expected labels."""

    def __init__(self, stack: BenchStack, photo: Photo, expected: Labels, images: int) -> None:
        self._stack = stack
        self._photo = photo
        self._expected = expected
        self._images = images
        self._client = Client(stack)

    def warm_up(self) -> None:
        """Open the connections and let what compiles at run time compile."""
        with Arrivals(self._stack.settings) as arrivals:
            arrivals.wait_for(self._upload("warm-up", _WARM_UP_IMAGES).jobs)

    def end_to_end(self) -> dict[str, Any]:
        """Upload as fast as accepted while the results come."""
        say(f"Uploading and classifying {self._images:,} images.")
        with Arrivals(self._stack.settings) as arrivals, spending(self._stack.run_dir) as spent:
            client_before = time.process_time()
            uploaded = self._upload("end to end", self._images)
            arrived = arrivals.wait_for(uploaded.jobs)
            client_cpu = time.process_time() - client_before
        seconds = max(arrival.at for arrival in arrived) - uploaded.started
        return {
            "images": self._images,
            "checked": check_labels(self._expected, (each.labels for each in arrived)),
            "imagesPerSecond": round(self._images / seconds, 1),
            "seconds": round(seconds, 2),
            "uploadsPerSecond": round(uploaded.per_second, 1),
            "refused": uploaded.refused,
            "clientCpuMillisecondsPerImage": round(client_cpu * 1000 / self._images, 3),
            **spent.per_image(self._images),
        }

    def backlog(self) -> dict[str, Any]:
        """Upload while the consumer is frozen, then let it drain what has gathered."""
        say(f"Uploading a backlog of {self._images:,} images.")
        run_dir = self._stack.run_dir
        with Arrivals(self._stack.settings) as arrivals:
            with self._stack.frozen(CONSUMER), spending(run_dir) as upload_spent:
                uploaded = self._upload("backlog", self._images)
            say("Draining it.")
            started = time.monotonic()
            with spending(run_dir) as drain_spent:
                arrived = arrivals.wait_for(uploaded.jobs)
        instants = [arrival.at for arrival in arrived]
        return {
            "upload": {
                "images": self._images,
                "uploadsPerSecond": round(uploaded.per_second, 1),
                "refused": uploaded.refused,
                **upload_spent.per_image(self._images),
            },
            "drain": {
                "images": self._images,
                "checked": check_labels(self._expected, (each.labels for each in arrived)),
                # What the consumer's rejoining its group and its first batch took.
                "firstResultSeconds": round(min(instants) - started, 2),
                "seconds": round(max(instants) - started, 2),
                "imagesPerSecond": round(middle_rate(instants), 1),
                **drain_spent.per_image(self._images),
            },
        }

    def _upload(self, series: str, images: int) -> Uploaded:
        image = partial(self._photo.numbered, series)
        return upload_all(self._client, image, images, _THREADS)
