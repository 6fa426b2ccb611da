"""Many pictures at once: sent until accepted, and asked for until they have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from imagectl.prove.gateway import Answer, Gateway, Job

THREADS = 8
_POLL_SECONDS = 0.1
_ENDS = ("completed", "failed")


@dataclass(frozen=True)
class End:
    """How a job ended, and after how many seconds that was seen."""

    body: dict[str, Any]
    seconds: float

    @property
    def status(self) -> str:
        """Completed or failed."""
        return str(self.body["status"])


def send(
    gateway: Gateway,
    pictures: Iterable[bytes],
    seconds: float,
    accepted: Callable[[int], None] = lambda count: None,
) -> tuple[list[Job], list[Answer]]:
    """Send pictures until each is accepted; also what was refused for good or too long.

    Args:
        seconds: how long one picture is sent again.
        accepted: told after each how many were accepted.
    """
    jobs: list[Job] = []
    refused: list[Answer] = []
    with ThreadPoolExecutor(THREADS) as pool:
        sending = [pool.submit(gateway.accept, data, seconds) for data in pictures]
        for future in as_completed(sending):
            outcome = future.result()
            if isinstance(outcome, Answer):
                refused.append(outcome)
                continue
            jobs.append(outcome)
            accepted(len(jobs))
    return jobs, refused


def wait(gateway: Gateway, jobs: Sequence[Job], seconds: float) -> dict[str, End]:
    """Ask for jobs until all have ended or the time is over; those that ended, by job id."""
    deadline = time.monotonic() + seconds
    ends: dict[str, End] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        while True:
            open_jobs = [job for job in jobs if job.job_id not in ends]
            ends |= {
                job.job_id: End(body, time.monotonic() - job.accepted_at)
                for job, body in zip(open_jobs, pool.map(_ask(gateway), open_jobs), strict=True)
                if body.get("status") in _ENDS
            }
            if len(ends) == len(jobs) or time.monotonic() > deadline:
                return ends
            time.sleep(_POLL_SECONDS)


def not_ended(jobs: Iterable[Job], ends: dict[str, End]) -> list[str]:
    """Name the jobs that were accepted and did not end."""
    return [f"accepted and not ended: job {job.job_id}" for job in jobs if job.job_id not in ends]


def not_accepted(refused: Iterable[Answer]) -> list[str]:
    """Name what a good picture was answered instead of 202."""
    return [f"a good picture was answered {answer.words}" for answer in refused]


def slowest(ends: Iterable[End]) -> float:
    """Seconds of the job that took longest."""
    return round(max((end.seconds for end in ends), default=0.0), 1)


def _ask(gateway: Gateway) -> Callable[[Job], dict[str, Any]]:
    def ask(job: Job) -> dict[str, Any]:
        answer = gateway.job(job.job_id)
        return answer.json() if answer.status == 200 else {}

    return ask
