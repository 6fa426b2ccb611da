"""What one tenant sends leaves room for others, and its bulk is not what it waits for itself."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from pipeline.kafka import topics
from tests.chaos import evidence
from tests.imagectl import imagectl
from tests.kafka import read_accepted, read_topic
from tests.pictures import fresh, jpeg
from tests.sending import accepted
from tests.stack import Stack, until
from tests.tenants import second_key

CONSUMER = "image-process-consumer"
BACKLOG = 400
CLIENTS = 8
# More than image-classifier takes of one tenant, and of all of them.
CROWD = 24


def ends(stack: Stack, jobs: set[str]) -> dict[str, str]:
    """When each of these jobs was completed."""
    found = (record.event["data"] for record in read_topic(stack, topics.RESULTS.name))
    return {data["jobId"]: data["completedAt"] for data in found if data["jobId"] in jobs}


def test_a_tenant_keeps_to_its_quota_and_is_told_of_it(stack: Stack) -> None:
    tenant, key = "prove", {"X-Api-Key": second_key(stack.api_key_file)}

    def send() -> requests.Response:
        data = fresh(f"quota {os.urandom(4).hex()}")
        return stack.request("POST", "/api/v1/images", data=data, headers=key)

    def refused() -> tuple[requests.Response, Any] | None:
        # What a busy stack gave up is given back, so that another one has to come first.
        answer = send()
        rows = json.loads(imagectl(stack, "quotas", "list", "--json").stdout)
        used = {row["quotas"]["images_a_day"]["used"] for row in rows}
        return (answer, rows) if (answer.status_code, used) == (429, {1}) else None

    try:
        done = imagectl(stack, "quotas", "set", tenant, "--images-a-day", "1")
        assert done.returncode == 0, done.stderr
        answer, told = until(refused)
    finally:
        imagectl(stack, "quotas", "set", tenant, "--images-a-day", "default")

    problem = answer.json()
    assert problem["type"] == "urn:image-pipeline:problem:over-quota"
    assert (problem["found"], problem["allowed"]) == (2, 1)
    assert 1 <= int(answer.headers["Retry-After"]) <= 24 * 3600
    assert answer.headers["RateLimit-Policy"] == '"images-a-day";q=1;w=86400'
    assert answer.headers["RateLimit"].startswith('"images-a-day";r=0;t=')
    (row,) = told
    assert row["tenant"] == tenant
    assert row["quotas"]["images_a_day"] == {"limit": 1, "used": 1}
    taken = until(lambda: it if (it := send()).status_code == 202 else None)
    assert "RateLimit" not in taken.headers


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "Somebody", "--images-a-day", "1"], "'Somebody' is no tenant; allowed: "),
        (["set", "prove"], "nothing is set; allowed: --images-a-day, "),
        (["set", "prove", "--stored-bytes", "much"], "'much' is no limit; allowed: 0 (none) to "),
    ],
)
def test_what_is_no_quota_is_refused(stack: Stack, words: list[str], said: str) -> None:
    done = imagectl(stack, "quotas", *words)

    assert done.returncode != 0
    assert said in done.stderr


def test_a_crowd_of_one_tenant_leaves_room_for_another(stack: Stack, quiet: None) -> None:
    other_key = {"X-Api-Key": second_key(stack.api_key_file)}
    large, enough, refused = jpeg(6000, 6000), threading.Event(), threading.Event()
    details: set[str] = set()

    def classify(data: bytes, **headers: str) -> requests.Response:
        return stack.request("POST", "/function/image-classifier", data=data, headers=headers)

    def crowd() -> None:
        while not enough.is_set():
            answer = classify(large)
            if answer.status_code == 429:
                details.add(answer.json()["detail"])
                refused.set()

    with ThreadPoolExecutor(CROWD) as clients:
        crowding = [clients.submit(crowd) for _ in range(CROWD)]
        try:
            until(lambda: refused.is_set() or any(each.done() for each in crowding))
            others = [classify(fresh(f"room {n}"), **other_key).status_code for n in range(8)]
        finally:
            enough.set()
        for each in crowding:
            each.result()

    assert others == [200] * 8
    assert all("that may be in flight are yours" in each for each in details), details


def test_a_backlog_is_overtaken_by_another_tenant_and_by_what_is_waited_for(
    stack: Stack, quiet: None
) -> None:
    other_key = {"X-Api-Key": second_key(stack.api_key_file)}

    def other() -> dict[str, Any] | None:
        data = fresh("of another tenant")
        answer = stack.request("POST", "/api/v1/images", data=data, headers=other_key)
        return answer.json() if answer.status_code == 202 else None

    def awaited() -> dict[str, Any] | None:
        # Nobody is at work: the wait ends, and its job is accepted all the same.
        answer = stack.upload(fresh("waited for"), Prefer="wait=1")
        return answer.json() if answer.status_code == 202 else None

    with stack.frozen(CONSUMER):
        with ThreadPoolExecutor(CLIENTS) as clients:
            sent = clients.map(lambda n: accepted(stack, fresh(f"backlog {n}")), range(BACKLOG))
            backlog = {body["jobId"]: body["imageId"] for body in sent}
        single, own = until(other)["jobId"], until(awaited)["jobId"]

    first = {record.key for record in read_topic(stack, topics.UPLOADS.name)}
    assert 0 < sum(image in first for image in backlog.values()) < BACKLOG
    assert set(backlog.values()) <= {record.key for record in read_accepted(stack)}
    until(lambda: evidence.lag(stack) == 0)
    ended = ends(stack, {*backlog, single, own})
    assert ended.keys() == {*backlog, single, own}
    for job in (single, own):
        before = sum(ended[each] < ended[job] for each in backlog)
        assert before < BACKLOG / 2, f"{before} of {BACKLOG} were completed before it"
