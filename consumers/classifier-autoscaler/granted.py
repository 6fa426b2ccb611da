"""Notices that OpenFaaS keeps fewer replicas than it was asked for, as an edition's cap has it."""

from __future__ import annotations

# What was asked for is seen at the next look, or the one after.
_LOOKS = 5
# An edition may be changed, and a cap be lifted.
_FORGET_SECONDS = 60.0


class Granted:
    """How many replicas OpenFaaS gives, where that is fewer than are allowed."""

    def __init__(self) -> None:
        self._asked = 0
        self._looks = 0
        self._most: int | None = None
        self._noticed = 0.0

    def ask(self, replicas: int) -> None:
        """Note what OpenFaaS is asked for."""
        if replicas != self._asked:
            self._asked, self._looks = replicas, 0

    def most(self, now: float, replicas: int) -> int | None:
        """Tell the most that it gives, or None where it gives what it was asked for.

        Args:
            now: monotonic seconds.
            replicas: how many there are to be, as OpenFaaS says.
        """
        if self._most is not None and now - self._noticed > _FORGET_SECONDS:
            self._most, self._asked, self._looks = None, 0, 0
        if replicas >= self._asked:
            self._looks = 0
            return self._most
        self._looks += 1
        if self._looks >= _LOOKS:
            self._most, self._noticed, self._asked = replicas, now, replicas
        return self._most
