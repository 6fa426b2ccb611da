"""The name that the group knows this consumer by, for whoever takes its place when it is killed."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipeline.errors import Unavailable
from pipeline.kafka.clients import Access
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

# Kafka's are a client's name and a UUID.
_MAX_MEMBER_ID_BYTES = 1_000
# Longer than it takes whatever happens to Kafka; the session is over long before.
_EXPEL_SECONDS = 60.0

Expel = Callable[[str], None]


class MemberFile:
    """Tells Kafka at once that a predecessor is dead: it would wait for it until its session ends.

    Whoever holds the file's lock is alive, and the kernel drops it at a kill; so only the dead are
    expelled, even where two consumers are given the same file by mistake.

    Args:
        path: empty: nothing is kept, and Kafka waits.
        expel: makes a member leave the group; raises Unavailable.

    Raises:
        OSError: the file can be neither read nor made.
    """

    def __init__(self, path: str, expel: Expel) -> None:
        self._expel = expel
        self._file = _locked(path) if path else None

    @classmethod
    def of(cls, settings: Settings) -> MemberFile:
        """Take the file out of the settings."""
        return cls(settings.consumer_member_file, partial(expel, settings))

    def expel_predecessor(self) -> threading.Thread | None:
        """Begin to expel who wrote into the file last, if it was killed; joining waits for it."""
        if self._file is None:
            return None
        member_id = os.pread(self._file, _MAX_MEMBER_ID_BYTES, 0).decode(errors="replace").strip()
        if not member_id:
            return None
        expelling = threading.Thread(target=self._expel_calmly, args=(member_id,), daemon=True)
        expelling.start()
        return expelling

    def note(self, member_id: str) -> None:
        """Write the name down; one that is torn by a kill expels nobody."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, member_id.encode(), 0)

    def leave(self) -> None:
        """Take note of having left, and let another consumer have the file."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)

    def _expel_calmly(self, member_id: str) -> None:
        try:
            self._expel(member_id)
        except Unavailable as error:
            # Its session ends by itself.
            logger.warning("predecessor not expelled", extra={"reason": str(error)})
        else:
            logger.info("predecessor expelled", extra={"member_id": member_id})


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


def _locked(path: str) -> int | None:
    """Open a file that nobody else has; None if a living consumer has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        logger.warning("the member file is another consumer's", extra={"path": path})
        return None
    return file
