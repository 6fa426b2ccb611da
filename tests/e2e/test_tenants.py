"""Tenants do not learn of each other: not by an answer, its headers, nor by work that was done.

Two tenants send the same bytes; what one has must be to the other as if it never was.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from pipeline.ids import RESULT_BUCKET, image_id, input_key
from tests import pictures
from tests.imagectl import imagectl, keys
from tests.sending import answered
from tests.stack import Stack, until

# What differs from answer to answer of one tenant, too.
_OF_ONE_ANSWER = {
    *("date", "x-trace-id", "x-request-id", "x-call-id", "x-start-time", "x-duration-seconds"),
    *("content-length", "location"),
}
_VARIES = re.compile(r'"(?:traceId|jobId|found|imageId|status|image|job)": ?"[^"]*"|[0-9a-f]{64}')


@dataclass(frozen=True)
class Tenant:
    """Somebody with a key of their own."""

    stack: Stack
    name: str
    key: str

    def ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Ask for it, again while a busy stack says so."""
        headers = {"X-Api-Key": self.key, **arguments.pop("headers", {})}
        return answered(lambda: self.stack.request(method, path, headers=headers, **arguments))

    def upload(self, data: bytes, **headers: str) -> requests.Response:
        return self.ask("POST", "/api/v1/images", data=data, headers=headers)

    def finished(self, job: str) -> dict[str, Any]:
        def end() -> dict[str, Any] | None:
            body: dict[str, Any] = self.ask("GET", f"/api/v1/jobs/{job}").json()
            return body if body["status"] in ("completed", "failed") else None

        return until(end)


@pytest.fixture(scope="module")
def tenants(stack: Stack) -> Iterator[tuple[Tenant, Tenant]]:
    made = ("create", "--scopes", "upload,read,admin", "--tenant")
    yield (
        Tenant(stack, "one", keys(stack, *made, "one", "--name", "of one")),
        Tenant(stack, "other", keys(stack, *made, "other", "--name", "of other")),
    )
    keys(stack, "revoke", "of one", "of other")


def shape(answer: requests.Response) -> tuple[int, list[tuple[str, str]], str]:
    """All of an answer but what is its own."""
    headers = sorted(
        (name.lower(), value)
        for name, value in answer.headers.items()
        if name.lower() not in _OF_ONE_ANSWER
    )
    return answer.status_code, headers, _VARIES.sub("…", answer.text)


def test_what_one_has_is_to_another_as_if_it_never_was(tenants: tuple[Tenant, Tenant]) -> None:
    one, other = tenants
    data = pictures.fresh("of one tenant alone")
    accepted = one.upload(data).json()
    one.finished(accepted["jobId"])
    job, image = accepted["jobId"], accepted["imageId"]
    never = image_id(b"never sent")
    ways = {
        f"{method} {prefix}": (
            other.ask(method, prefix.format(there), data=body),
            other.ask(method, prefix.format(nowhere), data=body),
        )
        for prefix, there, nowhere in (
            ("/api/v1/jobs/{}", job, job[:-1] + ("A" if job[-1] != "A" else "B")),
            ("/api/v1/images/{}", image, never),
            ("/api/v1/images/{}?minConfidence=0.1&maxLabels=3", image, never),
            ("/function/image-results/jobs/{}", job, "x" * len(job)),
            ("/function/image-results/images/{}", image, never),
        )
        for method, body in (("GET", None), ("HEAD", None), ("POST", b"x"), ("DELETE", None))
    }

    assert one.ask("GET", f"/api/v1/jobs/{job}").status_code == 200
    assert {
        way for way, (there, nowhere) in ways.items() if shape(there) != shape(nowhere)
    } == set()
    assert {way: there.status_code for way, (there, _) in ways.items() if there.ok} == {}


def test_the_same_bytes_are_answered_as_if_nobody_had_sent_them(
    tenants: tuple[Tenant, Tenant],
) -> None:
    one, other = tenants
    data, new = pictures.fresh("the same of two"), pictures.fresh("of nobody yet")
    one.finished(one.upload(data).json()["jobId"])

    known, unknown = other.upload(data), other.upload(new)
    results = [other.finished(each.json()["jobId"]) for each in (known, unknown)]

    assert shape(known) == shape(unknown)
    assert known.json().keys() == unknown.json().keys()
    assert [each["status"] for each in results] == ["completed"] * 2
    assert results[0].keys() == results[1].keys()


def test_no_cache_tells_that_another_has_the_same_bytes(tenants: tuple[Tenant, Tenant]) -> None:
    """A Redis that did not answer for a second tells one of two apart, too: then two others do."""
    one, other = tenants

    def are_read_alike() -> bool:
        known, new = (pictures.fresh(f"{what} {os.urandom(8).hex()}") for what in ("known", "new"))
        one.finished(one.upload(known).json()["jobId"])
        ended = [other.finished(other.upload(data).json()["jobId"]) for data in (known, new)]
        read = [other.ask("GET", f"/api/v1/images/{each['imageId']}") for each in ended]
        return len({each.headers["X-Cache"] for each in read}) == 1

    until(are_read_alike)


def test_each_tenants_image_is_stored_and_classified_for_itself(
    stack: Stack, tenants: tuple[Tenant, Tenant]
) -> None:
    data = pictures.fresh("stored for each")
    image = image_id(data)
    done = [each.finished(each.upload(data).json()["jobId"]) for each in tenants]
    results = [each["result"] for each in done]

    for each in tenants:
        assert stack.store.get("input-images", input_key(each.name, image, "jpg")) == data
        assert list(stack.store.keys(RESULT_BUCKET, f"{each.name}/{image[:2]}/{image}/"))
    # The same labels of a look of its own: how long it took is told of each.
    assert results[0]["labels"] == results[1]["labels"]
    assert results[0]["traceId"] != results[1]["traceId"]
    assert results[0]["classifiedAt"] != results[1]["classifiedAt"]


def test_the_same_bytes_of_two_tenants_at_once_end_for_both(
    stack: Stack, tenants: tuple[Tenant, Tenant]
) -> None:
    one, other = tenants
    images = [pictures.fresh(f"at once {number}") for number in range(6)]
    jobs = [(each, each.upload(data).json()["jobId"]) for data in images for each in (one, other)]

    ends = [each.finished(job) for each, job in jobs]

    assert {end["status"] for end in ends} == {"completed"}
    assert len({end["result"]["traceId"] for end in ends}) == len(jobs)


def test_a_failure_is_its_tenants_alone(tenants: tuple[Tenant, Tenant]) -> None:
    one, other = tenants
    # Whole to whoever reads the header alone, and nothing that could be decoded.
    broken = pictures.damaged_inside(b"a failure of one")
    failed = one.finished(one.upload(broken).json()["jobId"])
    seen = other.ask("GET", f"/api/v1/images/{failed['imageId']}")
    own = other.finished(other.upload(broken).json()["jobId"])

    assert failed["status"] == own["status"] == "failed"
    assert seen.status_code == 404


def test_a_name_or_a_model_that_is_asked_for_opens_no_other_tenant(
    tenants: tuple[Tenant, Tenant],
) -> None:
    one, other = tenants
    accepted = one.upload(pictures.fresh("by other names")).json()
    one.finished(accepted["jobId"])
    image = accepted["imageId"]

    found = [
        other.ask("GET", f"/api/v1/images/{image}", headers={"X-Tenant": "one"}),
        other.ask("GET", f"/api/v1/images/one%2F{image}"),
        other.ask("GET", f"/api/v1/images/{image}", headers={"If-None-Match": "*"}),
        other.ask("GET", f"/api/v1/images/{image}", headers={"Range": "bytes=0-0"}),
    ]

    assert {each.status_code for each in found} <= {400, 404}


def test_a_later_call_is_of_the_tenant_that_sent_it(
    stack: Stack, tenants: tuple[Tenant, Tenant]
) -> None:
    one, other = tenants
    data = pictures.fresh("sent later")

    accepted = one.ask("POST", "/async-function/image-upload", data=data)

    assert accepted.status_code == 202
    key = input_key(one.name, image_id(data), "jpg")
    until(lambda: stack.store.get("input-images", key) == data)
    assert other.ask("GET", f"/api/v1/images/{image_id(data)}").status_code == 404


def test_an_operator_lists_dead_letters_by_tenant(
    stack: Stack, tenants: tuple[Tenant, Tenant]
) -> None:
    one, _ = tenants
    failed = one.finished(one.upload(pictures.damaged_inside(b"a letter of one")).json()["jobId"])

    def listed(tenant: str) -> set[str]:
        done = imagectl(stack, "dead-letters", "list", "--json", "--tenant", tenant)
        assert done.returncode == 0, done.stderr
        return {row["jobId"] for row in json.loads(done.stdout)}

    until(lambda: failed["jobId"] in listed("one"))
    assert failed["jobId"] not in listed("other")


def test_a_key_of_a_new_tenant_works_at_once_and_ends_at_once(stack: Stack) -> None:
    key = keys(stack, "create", "--tenant", "brief", "--scopes", "upload,read", "--name", "brief")
    guest = Tenant(stack, "brief", key)
    done = guest.finished(guest.upload(pictures.fresh("of a new tenant")).json()["jobId"])
    new = Tenant(stack, "brief", keys(stack, "rotate", "brief", "--overlap", "1h"))
    both = [each.ask("GET", f"/api/v1/jobs/{done['jobId']}").status_code for each in (guest, new)]
    listed = json.loads(keys(stack, "list", "--json", "--tenant", "brief"))
    keys(stack, "revoke", "brief")
    after = [each.ask("GET", f"/api/v1/jobs/{done['jobId']}").status_code for each in (guest, new)]

    assert done["status"] == "completed"
    assert both == [200, 200]
    assert all(each["lastUsed"] for each in listed)
    assert len(listed) == 2
    assert after == [401, 401]
