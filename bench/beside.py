"""A look again and again, in a thread beside whatever is measured."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def looking_on(look: Callable[[], None], every_seconds: float) -> Iterator[None]:
    """Look while the block runs, and once more at its end."""
    ended = threading.Event()

    def work() -> None:
        is_last = False
        while not is_last:
            is_last = ended.wait(every_seconds)
            look()

    thread = threading.Thread(target=work, name="looking on")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
