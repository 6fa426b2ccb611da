"""How an upload waits for its own result when the client prefers to (RFC 7240, `Prefer: wait`)."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from urllib.request import parse_http_list

from pipeline.errors import Unavailable
from pipeline.ids import Job
from pipeline.storage.cache import ResultKey
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

    def wait(self, jobs: Sequence[Job], seconds: int) -> dict[str, Found]:
        """Wait for the results of jobs, until each has one or failed.

        Returns:
            Results by job id, without those that did not complete in time or failed, and none when
            all places are taken or the store does not answer: the client then asks for the job.
        """
        found: dict[str, Found] = {}
        if seconds <= 0 or not jobs or not self._places.acquire(blocking=False):
            return found
        try:
            self._poll({job.job_id: job for job in jobs}, time.monotonic() + seconds, found)
        except Unavailable:
            pass  # they are accepted all the same
        finally:
            self._places.release()
        return found

    def _poll(self, jobs: dict[str, Job], deadline: float, found: dict[str, Found]) -> None:
        pause, ask_store_at = _FIRST_PAUSE_SECONDS, time.monotonic() + self._store_every_seconds
        while (now := time.monotonic()) < deadline:
            cached = self._results.find_cached([_key(job) for job in jobs.values()])
            for job_id, body in zip(list(jobs), cached, strict=True):
                if body is not None:
                    found[job_id] = Found(body, from_cache=True)
                    del jobs[job_id]
            if now >= ask_store_at:
                ask_store_at = now + self._store_every_seconds
                for job in list(jobs.values()):
                    if stored := self._results.look(*_key(job)):
                        found[job.job_id] = stored
                    if stored or self._results.find_failure(job.tenant, job.job_id):
                        del jobs[job.job_id]
            if not jobs:
                return
            self._never.wait(min(pause, deadline - now))
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


def _key(job: Job) -> ResultKey:
    return job.tenant, job.image_id, job.model_id
