"""How many uploads are stored and published at a time; the others wait for their turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import Unavailable


class Places:
    """A bound on the uploads that MinIO and Kafka are given at once.

    Beyond a few they get no faster, and take the processors from what was accepted before. When a
    store does not answer one, those that wait are not sent after it: they would wait as long again.
    """

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._failures = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a place inside the block.

        Raises:
            Unavailable: raised inside the block, or inside another one during the wait.
        """
        before = self._failures
        with self._free:
            if self._failures != before:
                raise Unavailable("MinIO or Kafka did not confirm the uploads before this one")
            try:
                yield
            except Unavailable:
                self._failures += 1  # one counted twice or too few is as good as one
                raise
