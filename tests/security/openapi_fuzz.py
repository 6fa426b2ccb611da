"""Requests that schemathesis makes of docs/openapi.json, right ones and wrong ones, from a seed.

Each answer is held against the document. What says that it is busy is asked again.
"""

from __future__ import annotations

import os
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import hypothesis
import requests

from gateway.openapi.document import document
from tests import pictures
from tests.contract import Undocumented, contract
from tests.sending import accepted
from tests.stack import Stack, until

with warnings.catch_warnings():
    # What it says of itself when it is imported is no fault of ours.
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode

_BUSY = {429, 503}
_BUSY_SECONDS = 120.0
_ANSWER_SECONDS = 60.0
# Of so many requests one is about a job and an image that are there, one sends a picture that is
# taken, and one has no key.
_REAL, _TAKEN, _KEYLESS = 3, 5, 11
_PARTS = ("image-upload", "image-results", "image-classifier", "nginx", "provider")


@dataclass
class Figures:
    """What came of it.

    Attributes:
        unsent: that the client's own library refuses to send.
        busy: answers that said to come again.
        faults: answers that are not in the document, of 5xx, or none at all.
        died: processes that are no more what they were.
    """

    cases: int = 0
    unsent: int = 0
    busy: int = 0
    slowest_seconds: float = 0.0
    slowest: str = ""
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)


def fuzz(stack: Stack, count: int, seed: int) -> Figures:
    """Send so many requests, each call of the document as many as any other."""
    figures = Figures()
    job = accepted(stack, pictures.fresh(f"schemathesis {os.urandom(8).hex()}"))
    stack.finished(job["jobId"])
    # The first time that a tenant cancels takes three seconds, as docs/http.md says.
    stack.request("POST", f"/api/v1/jobs/{job['jobId']}/cancel")
    before = {part: stack.pids(part) for part in _PARTS}
    sender = _Sender(stack, job, Random(seed), figures)
    schema = schemathesis.openapi.from_dict(document())
    found: list[Any] = list(schema.get_all_operations())
    calls = [each.ok() for each in found]
    for number, call in enumerate(calls):
        share = count // len(calls) + (number < count % len(calls))
        _draw(call, share, seed, sender.send)
    for part, pids in before.items():
        now = stack.pids(part)
        if _died(pids, now):
            figures.died.append(f"{part}: {pids}, then {now}")
    return figures


def _died(before: list[int], now: list[int]) -> bool:
    """Whether one ended by itself: another is there in its place. A replica fewer is scaling."""
    return not now or bool(set(before) - set(now) and set(now) - set(before))


def _draw(call: Any, count: int, seed: int, send: Callable[[Any], None]) -> None:
    """Make requests, half of them such as the document does not allow."""
    modes = {GenerationMode.POSITIVE: (count + 1) // 2, GenerationMode.NEGATIVE: count // 2}
    for mode, share in modes.items():
        if not share:
            continue

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=share,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=call.as_strategy(generation_mode=mode))
        def run(case: Any) -> None:
            send(case)

        with suppress(hypothesis.errors.Unsatisfiable):  # nothing of it can be wrong
            run()


class _Sender:
    def __init__(
        self, stack: Stack, job: dict[str, Any], chooser: Random, figures: Figures
    ) -> None:
        self._stack = stack
        self._job = job
        self._chooser = chooser
        self._figures = figures
        self._session = requests.Session()

    def send(self, case: Any) -> None:
        """Send one request until its answer is none of a busy stack, and judge it."""
        prepared = self._prepared(case)
        if prepared is None:
            self._figures.unsent += 1
            return
        self._figures.cases += 1
        what = f"{prepared.method} {prepared.path_url[:200]}"

        def answer() -> requests.Response | None:
            began = time.monotonic()
            found = self._session.send(prepared, timeout=_ANSWER_SECONDS, allow_redirects=False)
            seconds = time.monotonic() - began
            if seconds > self._figures.slowest_seconds:
                self._figures.slowest_seconds, self._figures.slowest = seconds, what
            self._judge(what, prepared, found)
            if found.status_code in _BUSY:
                self._figures.busy += 1
                return None
            return found

        try:
            found = until(answer, _BUSY_SECONDS)
        except (requests.RequestException, AssertionError) as error:
            self._figures.faults.append(f"{what}: {error!r}")
            return
        self._figures.statuses[found.status_code] += 1
        if found.status_code >= 500:
            self._figures.faults.append(f"{what}: {found.status_code} {found.text[:500]}")

    def _judge(self, what: str, sent: requests.PreparedRequest, found: requests.Response) -> None:
        try:
            contract().check(
                str(sent.method), sent.path_url, found.status_code, found.headers, found.content
            )
        except (Undocumented, ValueError) as error:
            self._figures.faults.append(f"{what}: {error}")

    def _prepared(self, case: Any) -> requests.PreparedRequest | None:
        chance = self._chooser.random
        if chance() < 1 / _REAL:
            for name, text in (("jobId", "jobId"), ("imageId", "imageId")):
                if name in case.path_parameters:
                    case.path_parameters[name] = self._job[text]
        key = {} if chance() < 1 / _KEYLESS else {"X-Api-Key": self._stack.api_key}
        told = case.as_transport_kwargs(base_url=self._stack.url, headers=key)
        if self._is_upload(case) and chance() < 1 / _TAKEN:
            # Who is to wait is told so by a header of its own.
            for name in ("json", "files"):
                told.pop(name, None)
            told["headers"] = {**key, "Prefer": "wait=0"}
            told["data"] = pictures.fresh(f"schemathesis {os.urandom(8).hex()}")
        allowed = ("method", "url", "headers", "files", "data", "json", "params", "cookies")
        try:
            return self._session.prepare_request(
                requests.Request(**{name: told[name] for name in allowed if name in told})
            )
        except (requests.RequestException, ValueError):
            return None

    def _is_upload(self, case: Any) -> bool:
        return case.method.upper() == "POST" and case.path in ("/api/v1/images", "/upload/")
