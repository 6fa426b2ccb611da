"""Whether the consumer group still knows this consumer, when Kafka was away for long."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipeline.errors import Unavailable
from pipeline.kafka.broker_probe import BrokerProbe
from pipeline.settings import Settings

# Time to find the group again from when Kafka answers; it takes two or three.
_PATIENCE_SECONDS = 15.0
_ASK_EVERY_SECONDS = 1.0
# A process that stood still has not looked for its group meanwhile.
_STOOD_STILL_SECONDS = 5.0


class CutOff(Exception):
    """Kafka answers, and its client does not find the way back: only a new process does."""


class Membership:
    """Notices a client that lost its partitions and never joins again.

    librdkafka may wait for ever for a group coordinator that was restarted, and does not even let
    itself be closed then. Another client finds it at once, so that ending the process heals it;
    nothing is lost by that.

    Args:
        ask_broker: raises Unavailable when Kafka does not answer.
        note: told the name that the group knows this consumer by.
    """

    def __init__(
        self,
        ask_broker: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._ask_broker = ask_broker
        self._note = note
        self._clock = clock
        self._is_lost = False
        self._answers_since: float | None = None
        self._asked_at = 0.0
        self.is_cut_off = False

    def lose(self) -> None:
        """Take note that the session is over and all partitions are lost."""
        self._is_lost, self._answers_since = True, None

    def join(self, member_id: str) -> None:
        """Take note that the group has given partitions to this member."""
        self._is_lost = False
        self._note(member_id)

    def check(self) -> None:
        """Ask now and then whether Kafka answers while nothing is assigned.

        Raises:
            CutOff: it does, and has for long.
        """
        now = self._clock()
        if not self._is_lost or now - self._asked_at < _ASK_EVERY_SECONDS:
            return
        if now - self._asked_at > _STOOD_STILL_SECONDS:
            self._answers_since = None
        self._asked_at = now
        try:
            self._ask_broker()
        except Unavailable:
            self._answers_since = None
            return
        self._answers_since = now if self._answers_since is None else self._answers_since
        seconds = now - self._answers_since
        if seconds > _PATIENCE_SECONDS:
            self.is_cut_off = True
            raise CutOff(f"Kafka answers, but the group was not joined again in {seconds:.0f} s")


def ask_broker(settings: Settings) -> None:
    """Ask by a client of its own: one that Kafka's restart has not confused.

    Raises:
        Unavailable: Kafka does not answer.
    """
    BrokerProbe(settings).check_broker()
