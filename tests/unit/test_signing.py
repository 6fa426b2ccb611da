"""Requests are signed as the SDK signs them."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from minio.credentials.credentials import Credentials
from minio.signer import sign_v4_s3

from pipeline.storage.signing import UNSIGNED, Signer

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
KEYS = ("access", "secret/+")


def signed_by_us(path: str, query: str, headers: dict[str, str]) -> dict[str, str]:
    signer = Signer("127.0.0.1:9000", "us-east-1", *KEYS)
    head = signer.head("PUT", path, query, headers, 5, NOW).decode()
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    assert first == f"PUT {path}{'?' if query else ''}{query} HTTP/1.1"
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.parametrize(
    ("path", "query", "headers"),
    [
        ("/bucket/key", "", {}),
        ("/bucket/a%20key", "list-type=2&prefix=a%2Fb", {}),
        ("/bucket/key", "", {"if-none-match": "*", "content-type": "image/jpeg"}),
        ("/bucket/key", "", {"x-amz-meta-name": "two  spaces"}),
    ],
    ids=["bare", "query", "headers", "spaces"],
)
def test_the_signature_is_the_sdks(path: str, query: str, headers: dict[str, str]) -> None:
    ours = signed_by_us(path, query, headers)

    theirs = sign_v4_s3(
        method="PUT",
        url=urlsplit(f"http://127.0.0.1:9000{path}{'?' if query else ''}{query}"),
        region="us-east-1",
        headers={
            **headers,
            "Host": "127.0.0.1:9000",
            "x-amz-content-sha256": UNSIGNED,
            "x-amz-date": "20260301T123000Z",
        },
        credentials=Credentials(*KEYS),
        content_sha256=UNSIGNED,
        date=NOW,
    )
    assert ours["authorization"] == theirs["Authorization"]
    assert ours["content-length"] == "5"


def test_the_key_of_a_new_day_is_another() -> None:
    signer = Signer("127.0.0.1:9000", "us-east-1", *KEYS)
    days = [datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2, 1)]

    heads = [signer.head("GET", "/bucket/key", "", {}, None, day) for day in days]

    assert heads[0] == heads[2] != heads[1]
