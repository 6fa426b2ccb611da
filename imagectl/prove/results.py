"""Guarantee 2: one result for an image, the model's, and it never changes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from imagectl.prove import jobs, pictures
from imagectl.prove.gateway import Gateway, Job
from imagectl.prove.line import Line

_EQUAL_UPLOADS = 32
# Other processors add up in another order; a wrong answer is off by more.
_LARGEST_DIFFERENCE = 1e-4


@dataclass
class Seen:
    """What was accepted, and each result as it was read first, to be compared with later."""

    jobs: list[Job] = field(default_factory=list)
    first: dict[str, bytes] = field(default_factory=dict)


def results_are_the_models(gateway: Gateway, seen: Seen, seconds: float) -> Line:
    """Read every image's result, and ask the model again about the same bytes."""
    figures = {"images": len(seen.jobs), "equal": 0, "under another model": 0}
    wrong: list[str] = []
    for job in seen.jobs:
        answer = gateway.result(job.image_id, seconds)
        result, now = answer.json(), gateway.labels(job.data, seconds).json()
        difference = _difference(job, answer.status, result, now)
        if difference:
            wrong.append(f"image {job.image_id}: {difference}")
            continue
        seen.first[job.image_id] = answer.body
        same_model = result["modelId"] == now.get("modelId")
        figures["equal" if same_model else "under another model"] += 1
    return Line(2, "each result, beside what the model says now", figures, wrong)


def equal_uploads_share_a_result(gateway: Gateway, seconds: float) -> Line:
    """Send the same bytes many times at once: one image, many jobs, one result."""
    data = next(pictures.drawn())
    sent, refused = jobs.send(gateway, [data] * _EQUAL_UPLOADS, seconds)
    ends = jobs.wait(gateway, sent, seconds)
    images = {job.image_id for job in sent}
    with ThreadPoolExecutor(jobs.THREADS) as pool:
        asked = [job.image_id for job in sent]
        bodies = {each.body for each in pool.map(lambda it: gateway.result(it, seconds), asked)}
    told = {repr(end.body.get("result")) for end in ends.values()}
    figures = {"uploads": len(sent), "images": len(images), "results": len(bodies)}
    wrong = [*jobs.not_ended(sent, ends), *jobs.not_accepted(refused)]
    if not len(images) == len(bodies) == len(told) == 1:
        wrong.append(
            f"{len(sent)} equal uploads became {len(images)} images with {len(bodies)} results,"
            f" and their jobs tell {len(told)}"
        )
    return Line(2, "the same bytes sent many times at once", figures, wrong)


def results_have_not_changed(gateway: Gateway, seen: Seen, seconds: float) -> Line:
    """Read all results once more, after everything that was tried meanwhile."""
    wrong = changed(gateway, seen.first, list(seen.first), seconds)
    figures = {"read again": len(seen.first), "changed": len(wrong)}
    return Line(2, "the same results, read again at the end", figures, wrong)


def changed(
    gateway: Gateway, first: dict[str, bytes], images: Sequence[str], seconds: float
) -> list[str]:
    """Name the images of which the result is not what it was, byte for byte."""
    with ThreadPoolExecutor(jobs.THREADS) as pool:
        again = pool.map(lambda image: gateway.result(image, seconds), images)
        return [
            f"image {image}: the result changed; it is answered {answer.status}"
            for image, answer in zip(images, again, strict=True)
            if answer.body != first[image]
        ]


def _difference(job: Job, status: int, result: dict[str, Any], now: dict[str, Any]) -> str:
    """Say what is not as it must be; empty when all is."""
    if job.image_id != job.digest:
        return f"its id is not the SHA-256 of its bytes, {job.digest}"
    if status != 200 or result.get("status") != "completed":
        return f"no result: it is answered {status} {result.get('status')}"
    if result.get("imageId") != job.image_id:
        return f"its result is about {result.get('imageId')}"
    if result.get("modelId") != now.get("modelId"):
        return "" if "modelId" in now else "the model does not answer"
    if not _equal(_scores(result), _scores(now)):
        return f"its result says {_scores(result)}, the model {_scores(now)}"
    return ""


def _scores(answer: dict[str, Any]) -> dict[str, float]:
    return {each["label"]: each["score"] for each in answer.get("labels", [])}


def _equal(one: dict[str, float], other: dict[str, float]) -> bool:
    if not one or one.keys() != other.keys():
        return False
    return all(abs(score - other[label]) <= _LARGEST_DIFFERENCE for label, score in one.items())
