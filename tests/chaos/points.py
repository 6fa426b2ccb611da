"""Ways to have a process killed at a named point: with one image, a batch or a retry under way."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from confluent_kafka.admin import AdminClient

from pipeline.kafka import topics
from pipeline.kafka.clients import connection
from tests.chaos import outages
from tests.chaos.faults import CONSUMER
from tests.chaos.pictures import poison
from tests.chaos.second_consumer import second_consumer
from tests.chaos.trial import Trial
from tests.kafka import count_events
from tests.stack import until

SITUATIONS = ("single", "batch", "retry")
# Long enough to see a retry on its topic before its next attempt.
RETRY_BASE_SECONDS = 4.0
# A call to a classifier that hangs ends after so long, and was an attempt.
REQUEST_TIMEOUT_SECONDS = 4

_BATCH = 12
_POISON_EVERY = 6
_SEND_SECONDS = 300.0
_HIT_SECONDS = 180.0
_ASK_SECONDS = 30.0
_UPLOAD, _CLASSIFIER = "image-upload", "image-classifier"
_PROCESSES = {
    "upload": _UPLOAD, "image-uploads": _UPLOAD, "classifier": _CLASSIFIER,
    "consumer": CONSUMER, "image-failures": CONSUMER,
}  # fmt: skip
# The provider starts what dies young ever later; one that was ready for 10 s is not young.
_YOUNG_SECONDS = 16.0
_YOUNG_DEATHS = 2


@dataclass(frozen=True)
class Cell:
    """One point in one situation."""

    point: str
    situation: str

    def __str__(self) -> str:
        return f"{self.point} ({self.situation})"

    @property
    def victim(self) -> str:
        """The process that comes past."""
        return _victim(self.point)


class Points:
    """Runs cells on one stack whose processes look for armed points in one folder."""

    def __init__(self, trial: Trial, folder: Path) -> None:
        self._trial = trial
        self._stack = trial.stack
        self._folder = folder
        self._deaths: dict[str, int] = {}
        self._kafka = AdminClient({**connection(self._stack.settings), "log_level": 0})

    def run(self, cell: Cell) -> None:
        """Run a cell from a sound stack until its images are finished.

        Raises:
            AssertionError: no process came past the point, or an image was not finished.
        """
        self._trial.recover()
        self._let_grow_old(cell)
        try:
            if cell.situation == "retry":
                self._hit_retry(cell.point)
            else:
                self._hit(cell.point, 1 if cell.situation == "single" else _BATCH)
        finally:
            for armed in self._folder.iterdir():
                armed.unlink(missing_ok=True)
        self._trial.finish()

    def _hit(self, point: str, images: int) -> None:
        """The consumer finds all the images at once, and the point is armed by then."""
        early = _victim(point) == _UPLOAD
        if early:
            self._arm(point)
        with ExitStack() as until_hit:
            with self._stack.frozen(CONSUMER):
                # Whoever joins is not let in before the point is armed.
                has_joined = until_hit.enter_context(self._joining(point))
                self._send(images, point)
                until(has_joined, _HIT_SECONDS)
                if not early:
                    self._arm(point)
            if early:
                self._send_until_hit(point)
            until(lambda: self._is_hit(point), _HIT_SECONDS)

    def _hit_retry(self, point: str) -> None:
        """An image whose first attempt nobody answers is tried again, and the point is armed."""
        before = count_events(self._stack, topics.RETRY.name)
        # Killed in the end, or it would finish the first attempt after all; and not before the
        # point is armed: until then no attempt comes to an end, however late we look.
        with outages.hung(self._stack, _CLASSIFIER):
            self._send(1, point)
            until(self._is_at_work, _HIT_SECONDS)
            if point == "consumer.polled":
                self._arm(point)  # its upload was polled: what is polled next is the retry
            until(lambda: count_events(self._stack, topics.RETRY.name) > before, _HIT_SECONDS)
            if point != "consumer.polled":
                self._arm(point)
        if _victim(point) == _UPLOAD:
            self._send_until_hit(point)
        with self._joining(point):
            until(lambda: self._is_hit(point), _HIT_SECONDS)

    def _is_at_work(self) -> bool:
        """Whether the consumer waits for the classifier's answer."""
        url = f"{self._stack.consumer_url}/metrics"
        return re.search(r"^image_events_in_flight [1-9]", _get(url), re.MULTILINE) is not None

    def _send(self, images: int, point: str) -> None:
        """Send pictures; for the writing of a dead letter some that cannot be decoded."""
        buried = point == "image-failures.acknowledged"
        sources = [poison()] if buried and images == 1 else []
        bad = poison() if buried else None
        with self._trial.load(
            sources, threads=images, poison=bad, poison_every=_POISON_EVERY
        ) as load:
            load.run(accepted=images, seconds=_SEND_SECONDS)
            assert load.accepted >= images, f"{load.accepted} of {images} images were accepted"

    @contextmanager
    def _joining(self, point: str) -> Iterator[Callable[[], bool]]:
        """For a rebalancing, have another consumer join; yields whether it has asked to."""
        if point != "consumer.rebalancing":
            yield lambda: True
            return
        known = self._members()
        with second_consumer(self._stack, self._folder.with_name("second-consumer.log")):
            # Not told by the group's state: one that is frozen for long is expelled, and whoever
            # joins then is in at once.
            yield lambda: bool(self._members() - known)

    def _members(self) -> set[str]:
        """Whoever is in the group, or has asked to be."""
        group = self._stack.settings.consumer_group
        asked = self._kafka.describe_consumer_groups([group], request_timeout=_ASK_SECONDS)
        return {str(each.member_id) for each in asked[group].result(_ASK_SECONDS).members}

    def _arm(self, point: str) -> None:
        (self._folder / point).touch()

    def _send_until_hit(self, point: str) -> None:
        """What goes beyond a tenant's share has another topic than the point.

        image-upload learns late what is finished, and puts an image there that need not be.
        """
        deadline = time.monotonic() + _HIT_SECONDS
        while not self._is_hit(point) and time.monotonic() < deadline:
            self._send(1, point)

    def _is_hit(self, point: str) -> bool:
        return not (self._folder / point).exists()

    def _let_grow_old(self, cell: Cell) -> None:
        """Keep the provider from taking the cells' kills for a function that cannot live."""
        dying = {cell.victim: 1} | ({_CLASSIFIER: 2} if cell.situation == "retry" else {})
        for name in dying.keys() - {CONSUMER}:
            if self._deaths.get(name, 0) >= _YOUNG_DEATHS:
                until(lambda name=name: self._age(name) > _YOUNG_SECONDS)  # type: ignore[misc]
            if self._age(name) > _YOUNG_SECONDS:
                self._deaths[name] = 0
            self._deaths[name] = self._deaths.get(name, 0) + dying[name]

    def _age(self, function: str) -> float:
        return max((each.uptime_seconds() for each in self._stack.living(function)), default=0.0)


def _victim(point: str) -> str:
    return _PROCESSES[point.partition(".")[0]]


def _get(url: str) -> str:
    try:
        return requests.get(url, timeout=_ASK_SECONDS).text
    except requests.RequestException:
        return ""  # it was killed a moment ago, and is asked again
