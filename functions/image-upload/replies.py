"""What an upload is answered: one image as it is, several with an entry each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from doors import Door
from pipeline.errors import PipelineError, Unavailable
from pipeline.http import web
from pipeline.ids import Job
from pipeline.storage.results import Found
from submitting import Outcome, Submitted

_MULTI_STATUS = 207


def of(submitted: Submitted, found: Mapping[str, Found], trace_id: str, door: Door) -> web.Response:
    """Answer a request: its one image, or several with 207.

    Args:
        found: results that were waited for, by job id.
    """
    headers = dict(submitted.headers)
    if submitted.is_repeated:
        headers["Idempotent-Replayed"] = "true"
    if len(submitted.form.files) == 1:
        (job,) = submitted.jobs
        body = _body(job, found.get(job.job_id))
        if door.is_short:
            body = {"jobId": body["jobId"], "status": body["status"]}
        return _one(job, found.get(job.job_id), headers, {**body, **door.told(submitted.form)})
    return _many(submitted, found, trace_id, headers)


def _one(
    job: Job, found: Found | None, headers: dict[str, str], body: dict[str, Any]
) -> web.Response:
    headers |= {"Location": _links(job)["job"]}
    if found:
        headers |= {"Preference-Applied": "wait", "X-Cache": found.x_cache}
    return web.respond(200 if found else 202, body, headers)


def _many(
    submitted: Submitted, found: Mapping[str, Found], trace_id: str, headers: dict[str, str]
) -> web.Response:
    """Answer each with the status and the body that it would have had alone."""
    entries = [
        {"fileName": file.name, **_entry(outcome, found, trace_id)}
        for file, outcome in zip(submitted.form.files, submitted.outcomes, strict=True)
    ]
    unavailable = [each for each in submitted.outcomes if isinstance(each, Unavailable)]
    if unavailable:
        headers |= {"Retry-After": str(max(each.retry_after_seconds for each in unavailable))}
    if found:
        headers |= {"Preference-Applied": "wait"}
    return web.respond(_MULTI_STATUS, {"images": entries}, headers)


def _entry(outcome: Outcome, found: Mapping[str, Found], trace_id: str) -> dict[str, Any]:
    if isinstance(outcome, PipelineError):
        problem = web.document(outcome, trace_id)
        return {"httpStatus": outcome.status, "status": "refused", "problem": problem}
    result = found.get(outcome.job_id)
    return {"httpStatus": 200 if result else 202, **_body(outcome, result)}


def _body(job: Job, found: Found | None) -> dict[str, Any]:
    head = {"jobId": job.job_id, "imageId": job.image_id}
    if found:
        return {**head, "status": "completed", "result": json.loads(found.body)}
    return {**head, "status": "accepted", "links": _links(job)}


def _links(job: Job) -> dict[str, str]:
    return {
        "job": f"/api/v1/jobs/{job.job_id}",
        "image": f"/api/v1/images/{job.image_id}",
    }
