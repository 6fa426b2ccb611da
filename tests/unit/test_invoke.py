"""Whatever comes back from the classifier is an answer for each image, or a failed call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from invoke import CallFailed, ClassifierClient
from pipeline.errors import Unavailable
from pipeline.settings import Settings
from tests.samples import job_id, uploaded


class Wire(BaseAdapter):
    """Answers every call with this, or raises it."""

    def __init__(self, status: int, body: bytes | Exception) -> None:
        super().__init__()
        self.status, self.body = status, body
        self.asked: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.asked.append(request)
        if isinstance(self.body, Exception):
            raise self.body
        response = requests.Response()
        response.status_code, response._content = self.status, self.body
        return response

    def close(self) -> None:
        """Close nothing."""


def classify(
    folder: Path, status: int, body: bytes | Exception, refused: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    (folder / "consumer-classifier-key").write_text("secret")
    client = ClassifierClient(Settings(secrets_dir=str(folder)), refused)
    client._session.mount("http://", Wire(status, body))
    return client.classify([uploaded("a"), uploaded("b")])


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"null", b"7", b'"text"', b"{}", b"[]", b"[1, 2]", b'["a", "b"]',
        b"[{}, {}]", b'[{"jobId": []}, {"jobId": {}}]', b'{"jobId": 1}', b"\xff\xfe\xff",
        b"[" * 200_000, b"9" * 10_000, f'[{{"jobId": "{job_id()}"}}]'.encode(),
    ],
    ids=lambda body: ascii(body[:20]),
)  # fmt: skip
def test_what_is_no_list_of_answers_is_a_failed_call(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(CallFailed):
        classify(tmp_path, 200, body)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 500, 502, 504])
def test_any_other_status_is_a_failed_call(tmp_path: Path, status: int) -> None:
    with pytest.raises(CallFailed, match=str(status)):
        classify(tmp_path, status, b"[]")


@pytest.mark.parametrize(("status", "count"), [(429, 1), (503, 0)])
def test_a_call_for_which_there_was_no_room_is_told_apart(
    tmp_path: Path, status: int, count: int
) -> None:
    told: list[int] = []

    with pytest.raises(Unavailable):
        classify(tmp_path, status, b"", lambda: told.append(status))

    assert len(told) == count


@pytest.mark.parametrize("status", [429, 503])
def test_a_call_that_nobody_took_is_waited_for(tmp_path: Path, status: int) -> None:
    with pytest.raises(Unavailable):
        classify(tmp_path, status, b"")


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ChunkedEncodingError("cut"),
        requests.exceptions.ContentDecodingError("no gzip"),
        requests.exceptions.InvalidHeader("odd"),
        requests.ReadTimeout("late"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_answer_that_breaks_off_is_a_failed_call(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(CallFailed):
        classify(tmp_path, 200, error)


@pytest.mark.parametrize(("is_urgent", "priority"), [(True, "u=1"), (False, None)])
def test_an_urgent_call_says_so(tmp_path: Path, is_urgent: bool, priority: str | None) -> None:
    (tmp_path / "consumer-classifier-key").write_text("secret")
    client, wire = ClassifierClient(Settings(secrets_dir=str(tmp_path))), Wire(503, b"")
    client._session.mount("http://", wire)

    with pytest.raises(Unavailable):
        client.classify([uploaded("a")], is_urgent=is_urgent)

    (request,) = wire.asked
    assert request.headers.get("Priority") == priority
