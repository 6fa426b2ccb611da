"""Every answer of the gateway says what a browser may make of it, whoever asked for what."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.gateway import Answer, exchange
from tests.local_stack import LocalStack
from tests.nowhere import uncalled
from tests.pictures import fresh
from tests.security import routes
from tests.security.test_matrix import METHODS, _request

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
# What no page may do, and no answer that is none.
NOWHERE = ("unsafe-inline", "unsafe-eval", "*", "http:", "https:")
PAGES = ("/", "/page/style.css", "/docs", "/redoc", "/openapi.json")
# Requests that no location answers.
UNREADABLE = {
    "a method that is none": b"FETCH / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a path out of the folder": b"GET /page/../x HTTP/1.1\r\nHost: a\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a packed body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: br\r\n\r\n",
    "a long target": b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a large body": b"POST /api/v1/key HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
}


def wrong_in(answer: Answer) -> list[str]:
    """What an answer lacks, or has twice in two ways."""
    lacking = [
        f"{name}: {answer.headers.get(name)!r}"
        for name, wanted in EVERYWHERE.items()
        if answer.headers.get(name) != wanted
    ]
    policy = answer.headers.get("content-security-policy", "")
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";") if rule.split()}
    is_closed = rules.get("default-src") == rules.get("frame-ancestors") == ["'none'"]
    sources = {source.strip("'") for found in rules.values() for source in found}
    return [
        *lacking,
        *([] if is_closed and not sources & set(NOWHERE) else [f"policy: {policy!r}"]),
    ]


def calls() -> Iterator[tuple[str, str]]:
    """Every route with every method."""
    others = ("/healthz", "/readyz", "/system/functions", *PAGES)
    targets = [*(row.target for row in routes.rows()), *others]
    return itertools.product(targets, METHODS)


@pytest.mark.parametrize("has_key", [True, False])
def test_every_route_has_them_for_whoever_asks(stack: LocalStack, has_key: bool) -> None:
    port = stack.ports["GATEWAY"]
    headers = {"X-Api-Key": stack.api_key} if has_key else {}

    found = {
        (target, method): wrong_in(exchange(port, _request(target, method, headers), method))
        for target, method in calls()
    }

    assert {call: wrong for call, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_refusal_of_what_no_route_takes_has_them(stack: LocalStack, name: str) -> None:
    assert wrong_in(exchange(stack.ports["GATEWAY"], UNREADABLE[name])) == []


def test_a_picture_and_its_result_have_them(stack: LocalStack) -> None:
    key = {"X-Api-Key": stack.api_key, "Prefer": "wait=10"}
    request = _request("/api/v1/images", "POST", key, fresh("headers"))

    assert wrong_in(exchange(stack.ports["GATEWAY"], request, "POST")) == []


@pytest.mark.parametrize("has_key", [True, False])
def test_no_route_calls_back_where_a_sender_likes(stack: LocalStack, has_key: bool) -> None:
    with uncalled() as (port, was_called):
        url = f"http://127.0.0.1:{port}/told"
        headers = {"X-Callback-Url": url, **({"X-Api-Key": stack.api_key} if has_key else {})}
        found = {
            (target, method): exchange(
                stack.ports["GATEWAY"], _request(target, method, headers), method
            )
            for target, method in calls()
        }

        later = {
            call: answer for call, answer in found.items() if call[0].startswith("/async-function/")
        }
        taken = {call: answer.status for call, answer in later.items() if answer.status == 202}
        assert taken == {}
        if has_key:
            refused = [answer for answer in later.values() if answer.status == 400]
            assert {answer.code for answer in refused} == {"callback-not-allowed"}
        assert not was_called()
