"""A token opens one function, for one request, for a short while."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pipeline.errors import Rejected, Unauthorized
from pipeline.http import identity
from pipeline.http.identity import CONSUMER, GATEWAY, Signer, Verifier

LONG_SECONDS = 100_000.0  # from when tests are collected to when they are run
KEY, OTHER_KEY = "gateway's key", "consumer's key"
VERIFIER = Verifier("image-classifier", {GATEWAY: KEY, CONSUMER: OTHER_KEY})


def sign(sender: str = GATEWAY, function: str = "image-classifier", key: str = KEY,
         method: str = "POST", path: str = "/", lifetime_seconds: float = LONG_SECONDS,
         tenant: str = "default", **given: Any) -> str:  # fmt: skip
    return Signer(sender, function, key).sign(
        method,
        path,
        scopes=given.pop("scopes", ("read",)),
        lifetime_seconds=lifetime_seconds,
        tenant=tenant,
        **given,
    )


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(payload: bytes) -> str:
    head = f"v1.{encoded(payload)}"
    return f"{head}.{encoded(identity._signature(KEY.encode(), head))}"


def test_it_says_who_calls() -> None:
    token = sign(key_id="abc", trace_id="t", scopes=("read", "upload"), path="/ä b")

    caller = VERIFIER.verify(token, "POST", "/ä b")

    assert (caller.sender, caller.tenant, caller.key_id) == (GATEWAY, "default", "abc")
    assert (caller.trace_id, sorted(caller.scopes)) == ("t", ["read", "upload"])


def test_the_consumer_has_a_key_of_its_own_and_no_tenant() -> None:
    token = sign(CONSUMER, key=OTHER_KEY, tenant="")

    assert VERIFIER.verify(token, "POST", "/").sender == CONSUMER


def test_clocks_may_differ_by_seconds() -> None:
    assert VERIFIER.verify(sign(lifetime_seconds=-2), "POST", "/").tenant == "default"


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("", "is missing"),
        ("v1", "no token of version v1"),
        (sign().replace("v1.", "v2."), "no token of version v1"),
        (sign() + "ä", "no token of version v1"),
        ("v1." + "a" * 9000 + ".b", "no token of version v1"),
        (sign(key="none of ours"), "wrong signature"),
        (sign()[:-1], "wrong signature"),
        (sign() + "=", "wrong signature"),
        ("v1." + sign().split(".")[1] + ".", "wrong signature"),
        (sign() + "," + sign(), "wrong signature"),
        (sign(key=OTHER_KEY), "another sender"),
        (sign(CONSUMER), "another sender"),
        (sign(function="image-upload"), "another function"),
        (sign(method="GET"), "another method"),
        (sign(path="/other"), "another path"),
        (sign(path=""), "another path"),
        (sign(lifetime_seconds=-60), "expired"),
        (sign(tenant=""), "names no tenant"),
        (sign(tenant="../other"), "names no tenant"),
        (signed(b"not JSON"), "cannot be read"),
        (signed(b"\xff"), "cannot be read"),
        (signed(b"[]"), "cannot be read"),
        (signed(b"{}"), "another sender"),
    ],
)
def test_another_is_refused_and_says_why(token: str, says: str) -> None:
    with pytest.raises(Unauthorized, match=says) as refused:
        VERIFIER.verify(token, "POST", "/")

    assert KEY not in str(refused.value)


@pytest.mark.parametrize("expires", ["soon", None, True, [], float("nan"), float("-inf")])
def test_a_time_that_is_none_has_passed(expires: object) -> None:
    payload = {"sender": GATEWAY, "function": "image-classifier", "method": "POST", "path": "/",
               "tenant": "default", "expires": expires}  # fmt: skip

    with pytest.raises(Unauthorized, match="expired"):
        VERIFIER.verify(signed(json.dumps(payload).encode()), "POST", "/")


def test_every_changed_character_is_noticed() -> None:
    token = sign()
    for index, character in enumerate(token):
        other = "A" if character != "A" else "B"
        changed = token[:index] + other + token[index + 1 :]
        with pytest.raises(Unauthorized):
            VERIFIER.verify(changed, "POST", "/")


def test_who_may_do_everything_may_do_each_thing_but_send_references() -> None:
    caller = VERIFIER.verify(sign(scopes=("admin",)), "POST", "/")

    caller.require("upload")
    caller.require("read")

    assert identity.REFERENCES not in caller.scopes


def test_a_scope_that_is_not_there_is_refused() -> None:
    caller = VERIFIER.verify(sign(scopes=("read",)), "POST", "/")
    caller.require("read")

    with pytest.raises(Rejected) as refused:
        caller.require("upload")

    assert (refused.value.status, refused.value.found) == (403, "read")
