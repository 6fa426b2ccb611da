"""What a client of Kafka does about a broker that was away: asks again, or gives way to another."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from confluent_kafka import KafkaError, KafkaException

from pipeline.errors import SettingsError, Unavailable

logger = logging.getLogger(__name__)

Told = TypeVar("Told")
Client = TypeVar("Client")

# Who keeps a group's offsets, or leads a partition, has just started, or is another broker by now:
# it is told soon.
_MOVES = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    }
)
_AGAIN_SECONDS = 0.1


def while_broker_moves(
    ask: Callable[[float], Told],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Told:
    """Ask a group's coordinator or a partition's leader; again while it is elsewhere, or not ready.

    Args:
        ask: is told how long it may take.
        seconds: how long all of it may take.

    Raises:
        KafkaException: as `ask`.
    """
    deadline = clock() + seconds
    while True:
        try:
            return ask(max(deadline - clock(), 0.0))
        except KafkaException as error:
            is_moving = error.args[0].code() in _MOVES
            if not is_moving or clock() + _AGAIN_SECONDS >= deadline:
                raise
        sleep(_AGAIN_SECONDS)


class Replaceable(Generic[Client]):
    """A client in whose place another one comes when nothing has come of it for too long.

    librdkafka may wait for ever for a coordinator that was killed and came back.

    Args:
        patience_seconds: how long nothing may come of it.
    """

    def __init__(
        self,
        make: Callable[[], Client],
        patience_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._client = make()
        self._failing_since: float | None = None

    @contextmanager
    def asked(self) -> Iterator[Client]:
        """Give the client for one round of questions; what it raises shows that it fails."""
        try:
            yield self._client
        except (KafkaException, TimeoutError, Unavailable):
            self._note_failure()
            raise
        self._failing_since = None

    def _note_failure(self) -> None:
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since < self._patience_seconds:
            return
        try:
            self._client, self._failing_since = self._make(), None
        except SettingsError as error:  # its login cannot be read now
            logger.warning("kafka client not replaced", extra={"reason": str(error)})
        else:
            logger.warning("kafka client replaced")
