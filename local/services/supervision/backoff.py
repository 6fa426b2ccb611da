"""How long a part that ended waits until it is started again."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_SECONDS = 0.5
# One that was healthy was not at fault for sure, and the functions wait for it.
LONGEST_AFTER_HEALTH_SECONDS = 1.0
LONGEST_SECONDS = 30.0
STEADY_SECONDS = 10.0  # one that was healthy for so long starts anew


class Backoff:
    """Twice as long each time, until a run was steady; a jump of the wall clock changes nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_seconds = FIRST_SECONDS
        self._healthy_since: float | None = None
        self._over_at = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it may be started again."""
        return self._clock() >= self._over_at

    def note_health(self) -> None:
        """Say that the part is healthy now."""
        if self._healthy_since is None:
            self._healthy_since = self._clock()

    def begin(self) -> None:
        """Say that the part ended, or could not be started."""
        since, self._healthy_since = self._healthy_since, None
        now = self._clock()
        if since is not None and now - since > STEADY_SECONDS:
            self._next_seconds = FIRST_SECONDS
        elif since is not None:
            self._next_seconds = min(self._next_seconds, LONGEST_AFTER_HEALTH_SECONDS)
        self._over_at = now + self._next_seconds
        self._next_seconds = min(self._next_seconds * 2, LONGEST_SECONDS)
