"""What a client may ask of answers: their tags, their heads, and to have them packed."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests import pictures, sending
from tests.sending import accepted
from tests.stack import Stack, until

PACKED = {"Accept-Encoding": "gzip"}


@pytest.fixture(scope="module")
def job(stack: Stack) -> dict[str, Any]:
    """The 202 of a picture with a long name, once it is completed."""
    name = "n" * 255
    sent = until(
        lambda: (
            it if (it := _send(stack, name, pictures.fresh("manners"))).status_code == 202 else None
        )
    )
    body: dict[str, Any] = sent.json()
    assert stack.finished(body["jobId"])["status"] == "completed"
    return body


def _send(stack: Stack, name: str, data: bytes) -> requests.Response:
    return stack.request("POST", "/api/v1/images", files={"file": (name, data)})


def answered(stack: Stack, method: str, path: str, **headers: str) -> requests.Response:
    """An answer; again while a busy store says so."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    told = {"Accept-Encoding": "identity", **named}
    return sending.answered(lambda: stack.request(method, path, headers=told))


@pytest.mark.parametrize("kind", ["job", "image"])
def test_who_has_an_answer_is_told_that_it_is_still_so(
    stack: Stack, job: dict[str, Any], kind: str
) -> None:
    path = job["links"][kind]
    tag = answered(stack, "GET", path).headers["ETag"]

    for sent in (tag, f"W/{tag}", f'"another", {tag}', "*"):
        again = answered(stack, "GET", path, If_None_Match=sent)
        assert (again.status_code, again.content) == (304, b""), sent
        assert again.headers["ETag"] == tag
        assert again.headers["Cache-Control"] == "private, no-cache"
    assert answered(stack, "GET", path, If_None_Match='"another"').status_code == 200


def test_a_tag_opens_nothing_to_whom_the_answer_is_not(stack: Stack, job: dict[str, Any]) -> None:
    path = job["links"]["job"]
    other = path[:-4] + ("AAAA" if path[-4:] != "AAAA" else "BBBB")

    assert answered(stack, "GET", path, X_Api_Key="", If_None_Match="*").status_code == 401
    assert answered(stack, "GET", other, If_None_Match="*").status_code == 404


def test_a_job_has_another_tag_when_its_state_is_another(stack: Stack) -> None:
    with stack.frozen("image-process-consumer"):
        path = accepted(stack, pictures.fresh("its tag"))["links"]["job"]
        tag = answered(stack, "GET", path).headers["ETag"]
        assert answered(stack, "GET", path, If_None_Match=tag).status_code == 304

    def completed() -> requests.Response | None:
        answer = answered(stack, "GET", path, If_None_Match=tag)
        return answer if answer.status_code == 200 else None

    assert until(completed).json()["status"] == "completed"


@pytest.mark.parametrize("kind", ["job", "image", "/healthz", "/readyz", "/api/v1/jobs/none"])
def test_a_head_is_that_of_the_whole_answer(stack: Stack, job: dict[str, Any], kind: str) -> None:
    path = job["links"].get(kind, kind)

    def told(method: str) -> list[str | int | None]:
        answer = answered(stack, method, path)
        assert method == "GET" or not answer.content
        names = ("Content-Type", "Content-Length", "ETag", "Cache-Control")
        return [answer.status_code, *map(answer.headers.get, names)]

    until(lambda: told("HEAD") == told("GET"))  # what is ready may change in between


def test_a_long_answer_is_packed_for_who_asks_for_it(stack: Stack, job: dict[str, Any]) -> None:
    path = job["links"]["job"]
    plain = answered(stack, "GET", path)

    packed = answered(stack, "GET", path, **PACKED)

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json() == plain.json()
    # Of the packed bytes the tag would not be true as a strong one.
    assert packed.headers["ETag"] == f"W/{plain.headers['ETag']}"
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer.headers["Vary"]
    again = answered(stack, "GET", path, If_None_Match=packed.headers["ETag"], **PACKED)
    assert (again.status_code, again.content) == (304, b"")
    assert "Accept-Encoding" in again.headers["Vary"]


def test_a_short_one_is_not(stack: Stack) -> None:
    with stack.frozen("image-process-consumer"):
        path = accepted(stack, pictures.fresh("short"))["links"]["job"]
        answer = answered(stack, "GET", path, **PACKED)

    assert "Content-Encoding" not in answer.headers


def test_openfaas_own_api_is_never_packed(stack: Stack) -> None:
    """Its password is one that a browser sends by itself."""
    answer = stack.get("/system/functions", auth=stack.login, headers=PACKED)

    assert len(answer.content) > 1000
    assert "Content-Encoding" not in answer.headers
