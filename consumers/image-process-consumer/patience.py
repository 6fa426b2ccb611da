"""How long one image is waited for whose dependency does not answer while it answers for others."""

from __future__ import annotations

from pipeline.errors import PipelineError, Unavailable
from pipeline.events.cloudevents import Origin

# A turn is half a second or more. So often in a row nothing that is merely flaky fails.
TURNS = 40
# More than is ever waited for at once: what went to another consumer is forgotten at last.
_MOST_WAITING = 10_000


class Stubborn(PipelineError):
    """A dependency does not answer for this image, and does for those beside it."""

    code = "unavailable"


class Patience:
    """Counts the turns in which an image was in vain and others were not.

    An outage costs no image anything: nothing new completes in it. One object that is never
    answered for would be waited for without end, and at last hold up those behind it.
    """

    def __init__(self, turns: int = TURNS) -> None:
        self._turns = turns
        self._completed = 0
        self._waiting: dict[Origin, tuple[int, int]] = {}

    def note_new(self) -> None:
        """Note that an image completed for which all dependencies had to answer."""
        self._completed += 1

    def forget(self, origin: Origin) -> None:
        """Note that an image is waited for no more."""
        if self._waiting:
            self._waiting.pop(origin, None)

    def wait(self, origin: Origin, error: Unavailable) -> Stubborn:
        """Wait once more, or tell that it was often enough.

        Raises:
            Unavailable: it was not.
        """
        turns, completed = self._waiting.get(origin, (0, self._completed))
        turns += self._completed > completed
        if turns >= self._turns:
            self.forget(origin)
            return Stubborn(f"while other images completed: {error}")
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.clear()
        self._waiting[origin] = turns, self._completed
        raise error
