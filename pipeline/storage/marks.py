"""Redis: what is being worked on, and what is done. Losing a mark costs work that is repeated."""

from __future__ import annotations

from typing import cast

from pipeline.storage.cache import Client

_PREFIX = "mark:"


class Marks(Client):
    """Marks by name, each with its end; without Redis there are none, and none can be set."""

    def take(self, name: str, value: str, seconds: int) -> str | None:
        """Set a mark unless there is one.

        Returns:
            The value of the one that is there instead, or None.
        """
        return self._try(lambda: self._take(_PREFIX + name, value, seconds), None)

    def put(self, name: str, value: str, seconds: int) -> None:
        """Set a mark, in the place of one that may be there."""
        self._try(lambda: bool(self._redis.set(_PREFIX + name, value, ex=seconds)), False)

    def remove(self, name: str) -> None:
        """Take a mark away."""
        self._try(lambda: bool(self._redis.delete(_PREFIX + name)), False)

    def _take(self, name: str, value: str, seconds: int) -> str | None:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(name, value, ex=seconds, nx=True)
            pipe.get(name)
            is_set, found = pipe.execute()
        return None if is_set or found is None else cast(bytes, found).decode()
