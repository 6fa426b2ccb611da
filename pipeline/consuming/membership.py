"""Whether the consumer group still knows this consumer, when Kafka was away for long."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipeline.consuming.expulsion import Expel, Expulsion
from pipeline.errors import Unavailable
from pipeline.kafka.broker_probe import BrokerProbe
from pipeline.settings import Settings
from pipeline.timeouts.defaults import SESSION_SECONDS

# Time to find the group again from when Kafka answers: two or three, and a whole session where the
# name from before cannot be expelled.
_PATIENCE_SECONDS = SESSION_SECONDS + 5.0
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

    One that does join again has another name by then, and a Kafka that was restarted waits for the
    one from before: a whole session, in which nobody reads. So that one is expelled.

    Args:
        ask_broker: raises Unavailable when Kafka does not answer.
        expel: makes a member leave the group; raises Unavailable.
        note: told the name that the group knows this consumer by.
    """

    def __init__(
        self,
        ask_broker: Callable[[], None],
        expel: Expel,
        clock: Callable[[], float] = time.monotonic,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._ask_broker = ask_broker
        self._expel = expel
        self._note = note
        self._clock = clock
        self._member_id = ""
        self._former_id = ""
        self._expulsion: Expulsion | None = None
        self._is_lost = False
        self._answers_since: float | None = None
        self._asked_at = 0.0
        self.is_cut_off = False

    def lose(self, member_id: str | None) -> None:
        """Take note that the session is over and all partitions are lost.

        Args:
            member_id: what the client goes on as; none where the group has yet to name it.
        """
        self._is_lost, self._answers_since = True, None
        # One that keeps its name is waited for by nobody.
        self._former_id = self._member_id if member_id != self._member_id else ""
        self._expulsion = None

    def join(self, member_id: str) -> None:
        """Take note that the group has given partitions to this member."""
        self._is_lost, self._member_id = False, member_id
        self._note(member_id)

    def check(self) -> None:
        """Ask now and then whether Kafka answers while nothing is assigned, and expel who this was.

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
        self._expel_former()
        self._answers_since = now if self._answers_since is None else self._answers_since
        seconds = now - self._answers_since
        if seconds > _PATIENCE_SECONDS:
            self.is_cut_off = True
            raise CutOff(f"Kafka answers, but the group was not joined again in {seconds:.0f} s")

    def _expel_former(self) -> None:
        tried = self._expulsion
        if self._former_id and (tried is None or not (tried.is_alive() or tried.is_done)):
            self._expulsion = Expulsion(self._expel, self._former_id, "former name")
            self._expulsion.start()


def ask_broker(settings: Settings) -> None:
    """Ask by a client of its own: one that Kafka's restart has not confused.

    Raises:
        Unavailable: Kafka does not answer.
    """
    BrokerProbe(settings).check_broker()
