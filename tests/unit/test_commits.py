"""When offsets are committed."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Consumer

from pipeline.consuming.commits import Commits
from pipeline.consuming.progress import Assignment, Mark

PLACE = ("image-uploads", 0)


class Client(Consumer):
    """Takes every commit."""

    def __init__(self) -> None:
        """Know no broker."""

    def commit(self, **_: Any) -> Any:
        return None


def test_a_consumer_at_rest_does_not_sleep_over_a_commit() -> None:
    assignment = Assignment(window=0)
    assignment.add({PLACE: Mark(7)}, {})
    commits, progress = Commits(assignment), assignment.get(PLACE)
    assert progress is not None

    progress.read(7)
    progress.finish(7)
    before = commits.pause(10.0)
    commits.soon(Client())

    assert before < 1.0
    assert commits.pause(10.0) == 10.0
