"""Which number of calls at once does the most work: steps up, or down, while they pay."""

from __future__ import annotations

_STEP = 2.0
# Twice the calls do twice the work where replicas are idle, and the same where none is: with so
# much of the gain that there could be, some were idle.
_CLEAR_GAIN = 0.25
# A step must gain this much.
_SOME_GAIN = 1.03
# But after a clear one it is kept if it loses no more: one call is worked on at each replica and
# one waits there, so that none is idle in between.
_NO_LOSS = 0.95
# Fewer calls must do as much as more.
_AS_MUCH = 0.98


class Search:
    """One search, beginning where the rate is not known yet.

    Args:
        calls: the number that is used.
        least, most: what may be tried.
        is_up: whether more are tried, else fewer.
    """

    def __init__(self, calls: int, least: int, most: int, *, is_up: bool) -> None:
        self.calls = self.kept = calls
        self._least, self._most = least, most
        self._is_up = is_up
        self._rate: float | None = None
        self._was_clear = False

    @property
    def has_next(self) -> bool:
        """Whether there is another number to try."""
        return self._next() != self.calls

    def goes_on(self, rate: float) -> bool:
        """Take the images a second with `calls`, which is then the next to try; else see `kept`."""
        is_kept = pays = True
        if self._rate is not None:
            is_kept, pays = self._judge(rate / self._rate)
        if is_kept:
            self.kept, self._rate = self.calls, rate
        self.calls = self._next() if pays else self.kept
        return self.calls != self.kept

    def _judge(self, gain: float) -> tuple[bool, bool]:
        """Tell whether a step is kept, and whether another one is worth trying."""
        if not self._is_up:
            return gain >= _AS_MUCH, gain >= _AS_MUCH
        pays = gain >= _SOME_GAIN
        is_kept = pays or (self._was_clear and gain >= _NO_LOSS)
        self._was_clear = gain >= 1 + _CLEAR_GAIN * (self.calls / self.kept - 1)
        return is_kept, pays

    def _next(self) -> int:
        if self._is_up:
            return min(self._most, max(self.calls + 1, int(self.calls * _STEP)))
        return min(self.calls, max(self._least, int(self.calls / _STEP)))
