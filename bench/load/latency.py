"""How long one image takes at a low, steady load: arrivals on schedule, whatever comes back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from bench.checks import BenchFailed, Labels, check_labels
from bench.load.arrivals import Arrivals
from bench.load.client import Answer, Client
from bench.load.open_loop import Sent, open_loop
from bench.load.photos import Photo
from bench.progress import say
from bench.reporting.figures import milliseconds
from bench.stacks.stack import BenchStack


@dataclass(frozen=True)
class Latency:
    """An open loop of so many uploads a second for so many seconds; no name is used twice.

    Attributes:
        key: whose uploads they are; the stack's own when empty.
    """

    stack: BenchStack
    photo: Photo
    expected: Labels
    per_second: float
    seconds: float
    name: str = ""
    key: str = ""

    def until_event(self) -> dict[str, Any]:
        """Measure from the upload's instant to the arrival of its result event."""
        say(f"Uploading {self.per_second:g} images a second for {self.seconds:g} s.")
        with (
            closing(Client(self.stack, self.key)) as client,
            Arrivals(self.stack.settings) as arrivals,
        ):
            sent = self._open_loop(lambda number: client.upload(self._image("event", number)))
            arrived = arrivals.wait_for([_job(each, 202) for each in sent])
        results = zip(arrived, sent, strict=True)
        return {
            "checked": check_labels(self.expected, (each.labels for each in arrived)),
            "accepted": milliseconds([each.ended - each.intended for each in sent]),
            "result": milliseconds([arrival.at - each.intended for arrival, each in results]),
            "lateStart": milliseconds([each.began - each.intended for each in sent]),
        }

    def until_answer(self) -> dict[str, Any]:
        """Measure from the upload's instant to its answer, which waits for the result."""
        say(f"The same for {self.seconds:g} s with `Prefer: wait=10`.")
        with closing(Client(self.stack, self.key)) as client:
            sent = self._open_loop(
                lambda number: client.upload(self._image("wait", number), Prefer="wait=10")
            )
        answers = [each.answer.body for each in sent if _job(each, 200)]
        labels = (body["result"]["labels"] for body in answers)
        return {
            "checked": check_labels(self.expected, labels),
            "answer": milliseconds([each.ended - each.intended for each in sent]),
            "lateStart": milliseconds([each.began - each.intended for each in sent]),
        }

    def _image(self, series: str, number: int) -> bytes:
        return self.photo.numbered(f"latency {self.name} {series}", number)

    def _open_loop(self, upload: Callable[[int], Answer]) -> list[Sent]:
        return open_loop(upload, self.per_second, self.seconds)


def _job(sent: Sent, status: int) -> str:
    if sent.answer.status != status:
        raise BenchFailed(f"an upload was answered {sent.answer.status}, not {status}")
    return str(sent.answer.body["jobId"])
