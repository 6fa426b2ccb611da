"""When a partition is paused for being read too far ahead, and when it goes on."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, TopicPartition

from pipeline.consuming.progress import Assignment, Mark, Progress
from pipeline.consuming.window import Window

PLACE = ("image-uploads", 0)


class Client(Consumer):
    """Notes which partitions are paused."""

    def __init__(self) -> None:
        self.paused: set[tuple[str, int]] = set()

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= {(each.topic, each.partition) for each in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {(each.topic, each.partition) for each in partitions}


def read_ahead(offsets: int) -> tuple[Assignment, Progress]:
    """A partition of which so much was read, and nothing is finished."""
    assignment = Assignment(window=10)
    assignment.add({PLACE: Mark(0)}, {})
    progress = assignment.get(PLACE)
    assert progress is not None
    for offset in range(offsets):
        progress.read(offset)
    return assignment, progress


@pytest.mark.parametrize(("finished", "paused"), [(0, True), (4, True), (6, False)])
def test_a_full_partition_goes_on_when_half_of_its_window_is_free(
    finished: int, paused: bool
) -> None:
    client, window = Client(), Window(10)
    assignment, progress = read_ahead(10)
    window.respect(client, assignment)

    for offset in range(finished):
        progress.finish(offset)
    window.respect(client, assignment)

    assert (client.paused == {PLACE}) is paused


def test_a_partition_that_never_was_full_is_not_paused() -> None:
    client, window = Client(), Window(10)
    assignment, _ = read_ahead(9)

    window.respect(client, assignment)

    assert not client.paused
