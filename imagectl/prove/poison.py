"""Guarantees 4 and 6: what can never work costs one attempt, and nobody else's time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice
from typing import Any

from imagectl.prove import jobs, pictures
from imagectl.prove.gateway import Answer, Gateway, Job
from imagectl.prove.jobs import End
from imagectl.prove.line import Line

_GOOD, _DAMAGED = 24, 6


def damaged_pictures(gateway: Gateway, seconds: float, within: float) -> list[Line]:
    """Send good pictures alone, then as many with damaged ones among them.

    Args:
        within: seconds that good ones may take longer: more than a batch takes that fails whole and
            is tried again one by one.
    """
    alone, refused = jobs.send(gateway, islice(pictures.drawn(), _GOOD), seconds)
    ends_alone = jobs.wait(gateway, alone, seconds)
    mixed, refused_mixed = jobs.send(gateway, _mixed(), seconds)
    ends = jobs.wait(gateway, mixed, seconds)
    good = [job for job in mixed if not _is_damaged(job)]
    damaged = [job for job in mixed if _is_damaged(job)]
    refusals = jobs.not_accepted(refused + refused_mixed)
    return [
        _failed_once(gateway, damaged, ends),
        _not_delayed(good, ends, jobs.slowest(ends_alone.values()), refusals, within),
    ]


def refused_at_the_door(gateway: Gateway, seconds: float) -> Line:
    """Send what is seen at once to be no picture: refused by name, and nothing is kept of it."""
    wrong, refused = [], 0
    files = pictures.refused_at_the_door()
    for name, data in files.items():
        outcome = gateway.accept(data, seconds)
        status = outcome.status if isinstance(outcome, Answer) else 202
        kept = gateway.result(hashlib.sha256(data).hexdigest(), seconds).status
        if 400 <= status < 500 and status != 429 and kept == 404:
            refused += 1
        else:
            wrong.append(f"{name} was answered {status}, and its image then {kept}, expected 404")
    figures = {"sent": len(files), "refused and not kept": refused}
    return Line(4, "what is no whole picture, seen at the door", figures, wrong)


def _mixed() -> Iterable[bytes]:
    """Damaged pictures among good ones, the first of all damaged."""
    good = pictures.drawn()
    for _ in range(_DAMAGED):
        yield pictures.damaged()
        yield from islice(good, _GOOD // _DAMAGED)


def _is_damaged(job: Job) -> bool:
    return b"no deflated pixels" in job.data


def _failed_once(gateway: Gateway, damaged: list[Job], ends: dict[str, End]) -> Line:
    wrong = jobs.not_ended(damaged, ends)
    attempts: list[Any] = []
    for job in damaged:
        if job.job_id not in ends:
            continue
        end = ends[job.job_id].body
        error = end.get("error") or {}
        attempts.append(error.get("attempts"))
        if end["status"] != "failed" or not error.get("detail") or error.get("attempts") != 1:
            wrong.append(f"job {job.job_id}, of a damaged picture, ended {end['status']}: {error}")
        if gateway.image(job.image_id).json().get("status") == "completed":
            wrong.append(f"image {job.image_id}, which is damaged, has a result")
    if len(damaged) < _DAMAGED:
        wrong.append(f"{_DAMAGED - len(damaged)} damaged pictures were not accepted")
    figures = {
        "accepted": len(damaged),
        "failed with their reason": len(attempts) - sum(it is None for it in attempts),
        "most attempts": max((it for it in attempts if isinstance(it, int)), default=0),
    }
    return Line(4, "pictures whose pixels cannot be decoded", figures, wrong)


def _not_delayed(
    good: list[Job],
    ends: dict[str, End],
    alone_seconds: float,
    refusals: list[str],
    within: float,
) -> Line:
    wrong = [*jobs.not_ended(good, ends), *refusals]
    own = {job.job_id: ends[job.job_id] for job in good if job.job_id in ends}
    wrong += [
        f"job {job_id}, of a good picture, ended {end.status}"
        for job_id, end in own.items()
        if end.status != "completed"
    ]
    seconds = jobs.slowest(own.values())
    if seconds > alone_seconds + within:
        wrong.append(
            f"good pictures took up to {seconds} s among damaged ones, {alone_seconds} s alone;"
            f" {within:g} s more are allowed"
        )
    figures = {
        "good": len(good),
        "damaged": _DAMAGED,
        "slowest seconds": seconds,
        "alone": alone_seconds,
    }
    return Line(6, "good pictures among damaged ones", figures, wrong)
