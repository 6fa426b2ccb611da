"""Guarantee 5: without Redis every answer still comes."""

from __future__ import annotations

from itertools import islice

from imagectl.prove import jobs, pictures, results
from imagectl.prove.faults import LocalProcesses
from imagectl.prove.gateway import Gateway
from imagectl.prove.line import Line, not_seen

_FEW = 10


def answers_come_without_redis(
    gateway: Gateway, seen: results.Seen, seconds: float, local: LocalProcesses | None
) -> Line:
    """Freeze Redis while results are read and pictures classified; kill it, and read again."""
    if local is None:
        return not_seen(5, "Redis cannot be reached over HTTP; --faults kills it to see")
    few = list(seen.first)[:_FEW]
    with local.frozen("redis"):
        wrong = results.changed(gateway, seen.first, few, seconds)
        sent, refused = jobs.send(gateway, islice(pictures.drawn(), _FEW), seconds)
        ends = jobs.wait(gateway, sent, seconds)
        killed = local.kill("redis")
    answers = {image: gateway.result(image, seconds) for image in seen.first}
    wrong += [
        f"image {image}: its result is not what it was before Redis was killed"
        for image, answer in answers.items()
        if answer.body != seen.first[image]
    ]
    wrong += [*jobs.not_ended(sent, ends), *jobs.not_accepted(refused)]
    figures = {
        "read while frozen": len(few),
        "classified while frozen": len(ends),
        "killed": killed,
        "read after": len(answers),
        "from the store": sum(it.headers.get("X-Cache") == "miss" for it in answers.values()),
    }
    return Line(5, "Redis is frozen, then killed", figures, wrong)
