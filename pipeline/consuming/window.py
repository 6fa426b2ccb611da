"""How far a partition is read beyond its commit; what is full is paused."""

from __future__ import annotations

from confluent_kafka import Consumer

from pipeline.consuming.commits import partitions_at
from pipeline.consuming.progress import Assignment
from pipeline.kafka.topics import Partition


class Window:
    """Pauses each partition by itself, so that retries waiting for their time hold no upload back.

    What was fetched is thrown away by a pause and fetched again after it, so that one is worth it:
    a partition goes on when half of its window is free.

    Args:
        events: read and not committed, of one partition: bounds memory, and what a restart repeats.
    """

    def __init__(self, events: int) -> None:
        self._events = events
        self._paused: set[Partition] = set()

    def respect(self, client: Consumer, assignment: Assignment, *, is_heavy: bool = False) -> None:
        """Stop fetching where the window is full; polling goes on, as the group demands.

        Args:
            is_heavy: what was read takes as much memory as it may: nothing more is fetched.
        """
        full = assignment.places() if is_heavy else assignment.places_with(self._events)
        full |= self._paused & assignment.places_with(self._events // 2)
        if full != self._paused:
            client.pause(partitions_at(full - self._paused))
            client.resume(partitions_at(self._paused - full))
            self._paused = full

    def open(self, places: set[Partition]) -> None:
        """Take in new partitions; a pause outlives a lost one, and the next look resumes it."""
        self._paused |= places

    def close(self, places: set[Partition]) -> None:
        """Forget partitions that were taken away."""
        self._paused -= places
