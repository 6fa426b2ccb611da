"""Guarantees 1 and 3: what was accepted ends, whatever is killed; what was not is nobody's job."""

from __future__ import annotations

import base64
import os
import random
import time
from itertools import islice

from imagectl.prove import jobs, pictures
from imagectl.prove.faults import VICTIMS, LocalProcesses
from imagectl.prove.gateway import Gateway, Job
from imagectl.prove.line import Line, not_seen
from imagectl.prove.results import Seen

_IN_HAND = 40
# A consumer that commits what it has not finished does so about as soon as it has read it.
_TIME_TO_COMMIT_SECONDS = 2.0
_BACK_SECONDS = 60.0


class Killer:
    """Kills one process after the other while pictures are accepted, each part once."""

    def __init__(self, local: LocalProcesses | None, count: int) -> None:
        self._local = local
        self._left = random.sample(VICTIMS, len(VICTIMS)) if local else []
        self._every = max(1, count // (len(self._left) + 1))
        self.killed: list[str] = []

    def note_accepted(self, count: int) -> None:
        """Kill the next one when its turn has come."""
        if self._local and self._left and count >= self._every * (len(self.killed) + 1):
            victim = self._left.pop()
            is_there = self._local.wait_for(victim, _BACK_SECONDS)
            if self._local.kill(victim):
                self.killed.append(victim)
            elif is_there:  # it was ending with its provider: killed when it is back
                self._left.append(victim)


def accepted_ends(
    gateway: Gateway, seen: Seen, count: int, seconds: float, local: LocalProcesses | None
) -> Line:
    """Send pictures, with faults while processes are killed; all that was accepted must end."""
    killer = Killer(local, count)
    sent, refused = jobs.send(
        gateway, islice(pictures.drawn(), count), seconds, killer.note_accepted
    )
    ends = jobs.wait(gateway, sent, seconds)
    statuses = [end.status for end in ends.values()]
    figures: dict[str, object] = {
        "accepted": len(sent),
        "completed": statuses.count("completed"),
        "failed": statuses.count("failed"),
        "not ended": len(sent) - len(ends),
        "slowest seconds": jobs.slowest(ends.values()),
    }
    if killer.killed:
        figures["killed"] = ", ".join(killer.killed)
    wrong = [*jobs.not_ended(sent, ends), *jobs.not_accepted(refused)]
    tried = f"{count} new pictures" + (" while every part is killed once" if local else "")
    seen.jobs = sent
    return Line(1, tried, figures, wrong)


def forged_jobs_are_unknown(gateway: Gateway, sent: list[Job]) -> Line:
    """Ask for jobs that were never accepted: ids made up, and a genuine one changed."""
    forged = [base64.urlsafe_b64encode(os.urandom(90)).decode() for _ in range(10)]
    forged += [_changed(job.job_id, place) for job in sent[:1] for place in (2, 12, 30, -3)]
    statuses = [gateway.job(job_id).status for job_id in forged]
    wrong = [
        f"job {job_id}, which was never issued, was answered {status}"
        for job_id, status in zip(forged, statuses, strict=True)
        if status != 404
    ]
    figures = {"asked": len(forged), "answered 404": statuses.count(404)}
    return Line(1, "job ids that were never issued", figures, wrong)


def committed_after_the_work(
    gateway: Gateway, seconds: float, local: LocalProcesses | None
) -> Line:
    """Kill the consumer while the classifier holds its pictures: a commit too early loses them."""
    if local is None:
        return not_seen(3, "commits cannot be seen over HTTP; --faults kills the consumer to see")
    with local.frozen("image-classifier"):
        sent, refused = jobs.send(gateway, islice(pictures.drawn(), _IN_HAND), seconds)
        time.sleep(_TIME_TO_COMMIT_SECONDS)
        killed = local.kill("image-process-consumer")
    ends = jobs.wait(gateway, sent, seconds)
    figures = {
        "accepted": len(sent),
        "consumers killed": killed,
        "not ended": len(sent) - len(ends),
        "slowest seconds": jobs.slowest(ends.values()),
    }
    wrong = [*jobs.not_ended(sent, ends), *jobs.not_accepted(refused)]
    return Line(3, "the consumer is killed with pictures in its hands", figures, wrong)


def _changed(job_id: str, place: int) -> str:
    """The same id with another character in one place."""
    place %= len(job_id)
    other = "A" if job_id[place] != "A" else "B"
    return job_id[:place] + other + job_id[place + 1 :]
