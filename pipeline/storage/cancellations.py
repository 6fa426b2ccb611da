"""Which jobs are cancelled: decided once for each, in MinIO, against a result that may just come.

A result is an image's, and knows nothing of its jobs. So whoever cancels first writes that it asks,
then looks whether the job has ended, then writes its decision, created once. Who reads a job that
has ended and finds a question without a decision does not say yet that it has. See
docs/decisions/0035-a-key-and-its-jobs.md.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from enum import Enum

from pipeline.errors import Unavailable
from pipeline.ids import CANCELLED_PREFIX, RESULT_BUCKET, cancelled_key
from pipeline.storage.object_store import ObjectStore

CANCELLED = "cancelled"

_JSON = "application/json"
# A tenant that never cancels costs whoever reads jobs this much: one listing, for all of them.
_LIST_EVERY_SECONDS = 1.0
# While one lists, the others go by the list before, if it is no older than this.
_OLDEST_LIST_SECONDS = 2.5
# So long a tenant's first question waits, until nobody goes by an older list any more.
_ANNOUNCED_SECONDS = 3.0
# Longer than any request: whoever asked and did not decide was killed, and has to ask again.
_ASKED_SECONDS = 300.0
# Clocks may differ, and the decision takes its time, too.
_DECIDE_WITHIN_SECONDS = 240.0


class Look(Enum):
    """What a reader finds about a job."""

    NOTHING = "nothing"
    UNDECIDED = "undecided"
    CANCELLED = "cancelled"


class Cancellations:
    """Asks, decides and tells; safe to share between threads."""

    def __init__(
        self,
        store: ObjectStore,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._monotonic = monotonic
        self._pause = pause
        self._lock = threading.Lock()
        self._tenants: frozenset[str] = frozenset()
        self._listed_at = self._tried_at = -_OLDEST_LIST_SECONDS

    def has_any(self, tenant: str) -> bool:
        """Tell whether a tenant has ever cancelled a job; asked after its end was looked for.

        Where there is no list that is young enough it may have: look at the job's own objects.
        """
        age_seconds = self._monotonic() - self._listed_at
        if tenant in self._tenants or age_seconds < _LIST_EVERY_SECONDS:
            return tenant in self._tenants
        if self._lock.acquire(blocking=age_seconds >= _OLDEST_LIST_SECONDS):
            try:
                self._list()
            finally:
                self._lock.release()
        is_known = self._monotonic() - self._listed_at < _OLDEST_LIST_SECONDS
        return tenant in self._tenants or not is_known

    def look(self, tenant: str, job: str, replays: int, *, has_ended: bool) -> Look:
        """Tell whether a job is cancelled.

        Args:
            replays: how often it was tried anew: each time it may be cancelled again.
            has_ended: it was seen completed or failed before.

        Raises:
            Unavailable: MinIO does not answer.
        """
        question = cancelled_key(tenant, job, replays, "asked")
        *decisions, asked = self._store.get_many(
            RESULT_BUCKET, [*_decisions(tenant, job, replays), question]
        )
        if _is_cancelled(decisions):
            return Look.CANCELLED
        if decisions[-1] is not None:
            return Look.NOTHING
        is_asked = asked is not None and self._clock() - float(asked) < _ASKED_SECONDS
        return Look.UNDECIDED if has_ended and is_asked else Look.NOTHING

    def cancel(
        self, tenant: str, job: str, replays: int, ended: Callable[[], str | None]
    ) -> str | None:
        """Cancel a job unless it has ended.

        Args:
            ended: looks whether it has, and tells how.

        Returns:
            None: it is cancelled, now or before. Otherwise how it has ended.

        Raises:
            Unavailable: MinIO does not answer, or so late that the question counts no more; whoever
                asks again goes on.
        """
        decision = cancelled_key(tenant, job, replays, "decided")
        decisions = self._store.get_many(RESULT_BUCKET, _decisions(tenant, job, replays))
        if _is_cancelled(decisions):
            return None
        stored = decisions[-1]
        if stored is None:
            self._announce(tenant)
            question = cancelled_key(tenant, job, replays, "asked")
            asked_at = self._monotonic()
            self._store.put(RESULT_BUCKET, question, repr(self._clock()).encode(), _JSON)
            said = json.dumps({"state": ended() or CANCELLED}).encode()
            if self._monotonic() - asked_at > _DECIDE_WITHIN_SECONDS:
                raise Unavailable("what was asked of the job is too old to be decided")
            self._store.create(RESULT_BUCKET, decision, said, _JSON)
            stored = self._store.get(RESULT_BUCKET, decision)
        if stored is None:
            raise Unavailable("what was decided of the job cannot be read")
        return None if _is_cancelled([stored]) else str(json.loads(stored)["state"])

    def _list(self) -> None:
        now = self._monotonic()
        if now - max(self._listed_at, self._tried_at) < _LIST_EVERY_SECONDS:
            return  # another one has, or its timeout was waited for a moment ago
        try:
            folders = self._store.folders(RESULT_BUCKET, CANCELLED_PREFIX)
            self._tenants = frozenset(each.split("/")[1] for each in folders)
            self._listed_at = now
        except Unavailable:
            self._tried_at = self._monotonic()

    def _announce(self, tenant: str) -> None:
        """Let everybody know that this tenant cancels, before it does so for the first time."""
        key = f"{CANCELLED_PREFIX}{tenant}/since"
        now = self._clock()
        if not self._store.create(RESULT_BUCKET, key, repr(now).encode(), _JSON):
            since = float(self._store.get(RESULT_BUCKET, key) or now)
            if now - since >= 2 * _ANNOUNCED_SECONDS:
                return
        self._pause(_ANNOUNCED_SECONDS)


def _decisions(tenant: str, job: str, replays: int) -> list[str]:
    """Name what was decided of each try; an operator may try anew what was cancelled."""
    return [cancelled_key(tenant, job, number, "decided") for number in range(replays + 1)]


def _is_cancelled(decisions: Sequence[bytes | None]) -> bool:
    return any(json.loads(each)["state"] == CANCELLED for each in decisions if each)
