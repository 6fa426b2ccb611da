"""Has Kafka let go of a member that is no more: its group would wait until its session ends."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import Unavailable
from pipeline.kafka.clients import Access
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

# Longer than it takes whatever happens to Kafka; the session is over long before.
_EXPEL_SECONDS = 60.0

Expel = Callable[[str], None]


class Expulsion(threading.Thread):
    """One attempt at it, while whoever begins it goes on.

    Args:
        expel: makes a member leave the group; raises Unavailable.
        who: what the member is to this consumer, for the log.

    Attributes:
        is_done: the member is not in the group any more.
    """

    def __init__(self, expel: Expel, member_id: str, who: str) -> None:
        super().__init__(daemon=True)
        self._expel = expel
        self._member_id = member_id
        self._who = who
        self.is_done = False

    def run(self) -> None:
        try:
            self._expel(self._member_id)
        except Unavailable as error:
            # Its session ends by itself.
            logger.warning("%s not expelled", self._who, extra={"reason": str(error)})
        else:
            self.is_done = True
            logger.info("%s expelled", self._who, extra={"member_id": self._member_id})


def expel(settings: Settings, member_id: str) -> None:
    """Make a member leave the consumer group; one that left already is no error.

    Raises:
        Unavailable: Kafka does not answer, or refuses.
    """
    asking = [sys.executable, str(Path(__file__).with_name("group_admin.py"))]
    group = settings.consumer_group
    try:
        asked = subprocess.run(
            [*asking, group, member_id],
            input=json.dumps(Access(settings).for_kafka_python()),
            capture_output=True,
            text=True,
            timeout=_EXPEL_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{member_id} stays in {group}: {error}") from error
    if asked.returncode:
        reason = (asked.stderr.splitlines() or [f"status {asked.returncode}"])[-1]
        raise Unavailable(f"{member_id} stays in {group}: {reason}")
