"""How fast images go through: a backlog drained, and uploads that are classified meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import count

from bench.checks import Labels, check_labels
from bench.load.arrivals import Arrivals
from bench.load.client import Client, Uploaded, upload_all
from bench.load.photos import Photo
from bench.progress import say
from bench.reporting.figures import middle_rate
from bench.stacks.processes import Spent, spending
from bench.stacks.stack import CONSUMER, BenchStack

_THREADS = 8
_WARM_UP_IMAGES = 64

# Makes the image of a number.
Images = Callable[[int], bytes]


@dataclass(frozen=True)
class Drained:
    """A backlog that was uploaded, then worked off.

    Attributes:
        uploading, draining: what the stack used meanwhile.
        started: when the consumer was let go, by the monotonic clock.
        instants: when each result came.
    """

    uploaded: Uploaded
    uploading: Spent
    draining: Spent
    started: float
    instants: list[float]

    @property
    def images_per_second(self) -> float:
        """The rate of the middle 80 % of the results."""
        return middle_rate(self.instants)

    @property
    def cpu_milliseconds(self) -> float:
        """CPU of every process for one image, uploading left out."""
        return sum(self.draining.cpu_seconds.values()) * 1000 / len(self.instants)

    @property
    def upload_cpu_milliseconds(self) -> float:
        """CPU of every process for one upload."""
        return sum(self.uploading.cpu_seconds.values()) * 1000 / len(self.instants)


class Drain:
    """The arms, on one stack; every answer is compared with the expected labels."""

    def __init__(self, stack: BenchStack, photo: Photo, expected: Labels) -> None:
        self._stack = stack
        self._photo = photo
        self._expected = expected
        self._client = Client(stack)
        self._series = count()

    def warm_up(self) -> None:
        """Open the connections and let what compiles at run time compile."""
        with Arrivals(self._stack.settings) as arrivals:
            uploaded = self._upload(self.new_images(), _WARM_UP_IMAGES)
            self.check(arrivals, uploaded.jobs)

    def new_images(self) -> Images:
        """Make a series of images that were never sent before."""
        return partial(self._photo.numbered, f"series {next(self._series)}")

    def end_to_end(self, images: int) -> float:
        """Upload as fast as accepted while the results come; return results a second."""
        say(f"Uploading and classifying {images:,} images.")
        with Arrivals(self._stack.settings) as arrivals:
            uploaded = self._upload(self.new_images(), images)
            instants = self.check(arrivals, uploaded.jobs)
        return images / (max(instants) - uploaded.started)

    def backlog(
        self,
        images: int,
        image: Images | None = None,
        beside: Callable[[Arrivals], AbstractContextManager[object]] = lambda _: nullcontext(),
    ) -> Drained:
        """Upload while the consumer is frozen, then let it drain what has gathered.

        Args:
            image: images of the caller's own.
            beside: looks on while the backlog is drained.
        """
        run_dir = self._stack.run_dir
        with Arrivals(self._stack.settings) as arrivals:
            with self._stack.frozen(CONSUMER), spending(run_dir) as uploading:
                uploaded = self._upload(image or self.new_images(), images)
            started = time.monotonic()
            with beside(arrivals), spending(run_dir) as draining:
                instants = self.check(arrivals, uploaded.jobs)
        return Drained(uploaded, uploading, draining, started, instants)

    @contextmanager
    def uploading(self) -> Iterator[list[str]]:
        """Let the consumer stand still inside the block, then check the jobs that were listed."""
        jobs: list[str] = []
        with Arrivals(self._stack.settings) as arrivals:
            with self._stack.frozen(CONSUMER):
                yield jobs
            self.check(arrivals, jobs)

    def check(self, arrivals: Arrivals, jobs: list[str]) -> list[float]:
        """Wait for the results, compare their labels, return when they came."""
        arrived = arrivals.wait_for(jobs)
        check_labels(self._expected, (each.labels for each in arrived))
        return [arrival.at for arrival in arrived]

    def _upload(self, image: Images, images: int) -> Uploaded:
        return upload_all(self._client, image, images, _THREADS)
