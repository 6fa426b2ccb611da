"""Whose turn it is to be decoded apart, and which images are known to need it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import Unavailable

# A tenant and 64 hexadecimal digits each.
_REMEMBERED_IMAGES = 10_000


class Costly:
    """One turn for a replica, and what it saw of costly images; safe to share between threads."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._held: dict[tuple[str, str], bytes] = {}  # of one image
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the turn.

        Raises:
            Unavailable: somebody else has it.
        """
        if not self._turn.acquire(blocking=False):
            raise busy()
        try:
            yield
        finally:
            self._held.clear()
            self._turn.release()

    def note(self, tenant: str, image_id: str) -> None:
        """Remember a costly image: nothing need be asked of a store to know that it has to wait.

        For its tenant alone: how soon it is answered tells nobody what others have sent.
        """
        with self._lock:
            self._known[tenant, image_id] = None
            while len(self._known) > _REMEMBERED_IMAGES:
                self._known.popitem(last=False)

    def knows(self, tenant: str, image_id: str) -> bool:
        """Tell whether an image is remembered."""
        return (tenant, image_id) in self._known

    def hold(self, tenant: str, image_id: str, data: bytes) -> None:
        """Keep the bytes of an image that may have the turn next, but not of a second one."""
        with self._lock:
            if not self._held and not self._turn.locked():
                self._held[tenant, image_id] = data

    def let_go(self, tenant: str, image_id: str) -> bytes | None:
        """Return what is held of an image, and keep it no longer."""
        with self._lock:
            return self._held.pop((tenant, image_id), None)


def busy() -> Unavailable:
    """Say that an image has to wait for its turn."""
    return Unavailable("another costly image is being decoded", code="busy")
