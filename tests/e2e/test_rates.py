"""A key that may ask so often is refused beyond that, and nobody else is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests

from tests.imagectl import keys
from tests.pictures import fresh
from tests.stack import Stack
from tests.tenants import second_key

NAME = "seldom"


@pytest.fixture
def seldom(stack: Stack) -> Iterator[str]:
    """A key that may upload twice an hour."""
    words = ("--tenant", "default", "--scopes", "upload,read", "--name", NAME)
    key = keys(stack, "create", *words, "--rate", "2/h", "--burst", "2")
    yield key
    keys(stack, "revoke", NAME)


def sent(stack: Stack, key: str, name: str) -> requests.Response:
    headers = {"X-Api-Key": key}
    return stack.request("POST", "/api/v1/images", data=fresh(name), headers=headers)


def test_beyond_its_rate_a_key_is_refused_and_others_go_on(stack: Stack, seldom: str) -> None:
    answers = [sent(stack, seldom, f"seldom {number}") for number in range(4)]
    others = [sent(stack, second_key(stack.api_key_file), "another's"), stack.upload(fresh("own"))]

    assert [answer.status_code for answer in answers] == [202, 202, 429, 429]
    assert [answer.headers["RateLimit-Policy"] for answer in answers] == [
        '"requests";q=2;w=3600'
    ] * 4
    assert [answer.headers["RateLimit"].partition(";t=")[0] for answer in answers] == [
        *('"requests";r=1', '"requests";r=0'),
        *('"requests";r=0', '"requests";r=0'),
    ]
    refused = answers[-1]
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:image-pipeline:problem:rate-limited"
    assert refused.json()["allowed"] == "2/h, 2 at once"
    assert 1 <= int(refused.headers["Retry-After"]) <= 1800
    assert {answer.status_code for answer in others} == {202}


def test_a_rate_that_is_changed_holds_with_the_next_request(stack: Stack, seldom: str) -> None:
    before = [sent(stack, seldom, f"before {number}").status_code for number in range(3)]
    keys(stack, "limit", NAME, "--rate", "none")
    after = [sent(stack, seldom, f"after {number}").status_code for number in range(3)]
    (row,) = json.loads(keys(stack, "list", "--json", "--tenant", "default"))[-1:]

    assert (before, after) == ([202, 202, 429], [202] * 3)
    assert (row["name"], row["rate"], row["burst"]) == (NAME, "none", None)
