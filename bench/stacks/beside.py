"""A look again and again, in a thread beside whatever is measured."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def looking_on(look: Callable[[], object], every_seconds: float) -> Iterator[None]:
    """Look while the block runs, and once more at its end; what fails a look fails the block."""
    ended = threading.Event()

    def work() -> None:
        is_last = False
        while not is_last:
            is_last = ended.wait(every_seconds)
            look()

    with ThreadPoolExecutor(1, "looking on") as pool:
        looking = pool.submit(work)
        try:
            yield
        finally:
            ended.set()
        looking.result()
