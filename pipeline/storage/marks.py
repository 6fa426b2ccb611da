"""Redis: what is being worked on, and what is done. Losing a mark costs work that is repeated."""

from __future__ import annotations

import time
from typing import cast

from pipeline.settings import Settings
from pipeline.storage.cache import Client

_PREFIX = "mark:"
# Sets or removes a mark unless there is one that is not the caller's.
_SWAP = """
local found = redis.call('GET', KEYS[1])
if found and found ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
return 1
"""


class Marks(Client):
    """Marks by name, each with its end; without Redis there are none, and none can be set."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._swap_script = self._redis.register_script(_SWAP)

    @property
    def rests(self) -> bool:
        """Redis failed a moment ago, and is not asked."""
        return self._clock() < self._rests_until

    def wait_for_rest(self) -> None:
        """Wait, a second at most, until Redis is asked again."""
        time.sleep(max(0.0, self._rests_until - self._clock()))

    def take(self, name: str, value: str, seconds: int) -> str | None:
        """Set a mark unless there is one.

        Returns:
            The value of the one that is there instead, or None.
        """
        return self._try(lambda: self._take(_PREFIX + name, value, seconds), None)

    def swap(self, name: str, own: str, value: str, seconds: int) -> bool | None:
        """Put a mark in the place of one's own, or of none; an empty one takes it away.

        Returns:
            False: the mark that is there is another's, and stays. None: Redis does not answer.
        """
        asked: list[str | int] = [own, value, seconds]
        return self._try(lambda: bool(self._swap_script([_PREFIX + name], asked)), None)

    def end(self, name: str, own: str, value: str, seconds: int, *, is_marked: bool) -> None:
        """Swap one's own mark, once more after a rest if Redis does not answer.

        Args:
            is_marked: Redis was asked for the mark, and may have it.
        """
        if self.swap(name, own, value, seconds) is None and is_marked:
            self.wait_for_rest()
            self.swap(name, own, value, seconds)

    def _take(self, name: str, value: str, seconds: int) -> str | None:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(name, value, ex=seconds, nx=True)
            pipe.get(name)
            is_set, found = pipe.execute()
        return None if is_set or found is None else cast(bytes, found).decode()
