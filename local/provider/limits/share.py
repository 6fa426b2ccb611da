"""What a replica uses of the processors, held against what its function asks for.

What it asks for it has at once, as the services have it: a function that asks for a tenth of a core
and is asked little of is not to wait at each of its steps for those that keep every core busy.
What it uses beyond, it uses with its nice value.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from local.machine import processes
from local.provider.limits import priority

# What is not used is saved up, and what was overdrawn is remembered, for so long.
_SAVED_SECONDS = 2.0
# Used up, so much of that is saved before it goes first again.
_ENOUGH = 0.5
# More often would tell little: the kernel counts in hundredths of a second.
_LOOK_SECONDS = 0.1


class Share:
    """One replica's; it stands back as it is started, until it has been looked at.

    Args:
        cores: what is asked for.
        pid: the replica; what its children use is known when they have ended, so that it does not
            go first while it has any.
    """

    def __init__(self, cores: float, pid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._cores, self._pid, self._clock = cores, pid, clock
        self._most = _SAVED_SECONDS * cores
        self._left = self._used = 0.0  # seconds of a processor
        self._looked_at = clock()
        self._stands_back = True

    def look(self) -> None:
        """Have it go first while it uses no more than it asks for; costs a request nothing."""
        now = self._clock()
        passed = now - self._looked_at
        if passed < _LOOK_SECONDS:
            return
        used = processes.used_seconds(self._pid)
        earned = self._cores * passed - (used - self._used)
        self._left = min(self._most, max(-self._most, self._left + earned))
        self._looked_at, self._used = now, used
        enough = _ENOUGH * self._most if self._stands_back else 0.0
        if (self._left < enough) != self._stands_back:
            self._turn()

    def _turn(self) -> None:
        if self._stands_back and processes.has_children(self._pid):
            self._left = 0.0  # not looked for each time
            return
        value = 0 if self._stands_back else priority.nice_value(self._cores)
        if priority.change(self._pid, value):
            self._stands_back = not self._stands_back
