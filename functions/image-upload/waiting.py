"""How an upload waits for its own result when the client prefers to (RFC 7240, `Prefer: wait`)."""

from __future__ import annotations

import re
import threading
import time
from urllib.request import parse_http_list

from pipeline.ids import Job
from pipeline.storage.results import Found, Results

_SECONDS = re.compile(r"0|[1-9][0-9]{0,18}")
_MAX_PREFER_CHARACTERS = 1024
# Redis is asked often, as that costs little; the store, which also knows failures, seldom.
_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.1
_STORE_EVERY_SECONDS = 1.0


def preferred_seconds(prefer: str, maximum: int) -> int:
    """Read the seconds out of a Prefer header; 0 when there are none.

    Several header lines are one, joined by commas. The first `wait` counts; one that is no number
    of seconds is ignored, as RFC 7240 wants it of preferences that are not understood.
    """
    if len(prefer) > _MAX_PREFER_CHARACTERS:
        return 0
    for item in parse_http_list(prefer):
        name, _, value = item.partition(";")[0].partition("=")
        if name.strip(" \t").lower() == "wait":
            seconds = value.strip(" \t")
            if seconds[:1] == seconds[-1:] == '"':
                seconds = seconds[1:-1]
            return min(int(seconds), maximum) if _SECONDS.fullmatch(seconds) else 0
    return 0


class Waiter:
    """Waits for results, for a bounded number of requests at once."""

    def __init__(
        self, results: Results, places: int, store_every_seconds: float = _STORE_EVERY_SECONDS
    ) -> None:
        self._results = results
        self._store_every_seconds = store_every_seconds
        self._places = threading.Semaphore(places)
        self._never = threading.Event()

    def wait(self, job: Job, seconds: int) -> Found | None:
        """Wait for the result of a job.

        Returns:
            None when it did not complete in time, failed, or all places are taken: the client then
            asks for the job.

        Raises:
            Unavailable: the store does not answer.
        """
        if seconds <= 0 or not self._places.acquire(blocking=False):
            return None
        try:
            return self._poll(job, time.monotonic() + seconds)
        finally:
            self._places.release()

    def _poll(self, job: Job, deadline: float) -> Found | None:
        pause, ask_store_at = _FIRST_PAUSE_SECONDS, time.monotonic() + self._store_every_seconds
        while (now := time.monotonic()) < deadline:
            (cached,) = self._results.find_cached([(job.tenant, job.image_id, job.model_id)])
            if cached is not None:
                return Found(cached, from_cache=True)
            if now >= ask_store_at:
                ask_store_at = now + self._store_every_seconds
                stored = self._results.find(job.tenant, job.image_id, job.model_id)
                if stored or self._results.find_failure(job.tenant, job.job_id):
                    return stored
            self._never.wait(min(pause, deadline - now))
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        return None
