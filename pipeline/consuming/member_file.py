"""The name that the group knows this consumer by, for whoever takes its place when it is killed."""

from __future__ import annotations

import fcntl
import logging
import os
from functools import partial

from pipeline.consuming.expulsion import Expel, Expulsion, expel
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

# Kafka's are a client's name and a UUID.
_MAX_MEMBER_ID_BYTES = 1_000


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

    def expel_predecessor(self) -> Expulsion | None:
        """Begin to expel who wrote into the file last, if it was killed; joining waits for it."""
        if self._file is None:
            return None
        member_id = os.pread(self._file, _MAX_MEMBER_ID_BYTES, 0).decode(errors="replace").strip()
        if not member_id:
            return None
        expulsion = Expulsion(self._expel, member_id, "predecessor")
        expulsion.start()
        return expulsion

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
