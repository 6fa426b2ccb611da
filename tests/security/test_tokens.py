"""What the gateway tells a function of its caller, and that nobody else can tell it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from local.services import credentials
from pipeline.errors import Unauthorized
from pipeline.http.identity import GATEWAY, TOKEN_HEADER, Verifier
from tests.gateway import Answer, Gateway, running_gateway
from tests.provider import PASSWORD, USER

OURS = ("image-upload", "image-classifier", "image-results")
CLAIMS = (
    "X-Gateway-Token: v1.e30.AAAA",
    "X-Gateway-Token: v1.e30.BBBB",
    "x-gateway-token: v1.e30.CCCC",
    "X_Gateway_Token: v1.e30.DDDD",
    "X-Tenant: other",
    "X_Tenant: other",
    "X-TENANT: other",
    "X-Internal-Secret: guess",
)
SAFE = {
    "content-length",
    "host",
    "traceparent",
    "x-call-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-start-time",
    "x-request-id",
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway"), *OURS, "guest") as running:
        yield running


def headers_of(answer: Answer) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in answer.seen["headers"]:
        found.setdefault(name.lower(), []).append(value)
    return found


def verifier(gateway: Gateway, function: str) -> Verifier:
    return Verifier(function, {GATEWAY: credentials.read(gateway.stack, f"{function}-key")})


WAYS = [
    ("image-upload", "POST", "/api/v1/images", "/"),
    ("image-upload", "POST", "/function/image-upload", "/"),
    ("image-upload", "PUT", "/function/image-upload.openfaas-fn/x", "/x"),
    ("image-results", "GET", "/api/v1/jobs/a-b_c?x=1", "/jobs/a-b_c"),
    ("image-results", "GET", "/api/v1/images/abc?model=m", "/images/abc"),
    ("image-results", "DELETE", "/function/image-results/jobs/x/", "/jobs/x/"),
    ("image-results", "GET", "/function/image-results/a%20b/%C3%A4%F0%9F%98%80", "/a b/ä😀"),
    ("image-classifier", "POST", "/function/image-classifier/", "/"),
]


@pytest.mark.parametrize(("function", "method", "target", "path"), WAYS)
def test_a_function_learns_who_calls_it_for_what(
    gateway: Gateway, function: str, method: str, target: str, path: str
) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = gateway.ask(target, method, f"traceparent: 00-{trace}-00f067aa0ba902b7-01", *CLAIMS)

    headers = headers_of(answer)
    (token,) = headers[TOKEN_HEADER.lower()]
    caller = verifier(gateway, function).verify(token, method, path)
    assert answer.seen["path"] == path
    assert (caller.tenant, caller.trace_id) == ("default", trace)
    assert caller.scopes == frozenset({"upload", "read", "admin"})
    assert len(caller.key_id) == 12
    assert caller.key_id not in gateway.key
    assert headers.keys() <= SAFE | {TOKEN_HEADER.lower()}


@pytest.mark.parametrize("other", OURS)
@pytest.mark.parametrize("function", OURS)
def test_a_token_opens_one_function_alone(gateway: Gateway, function: str, other: str) -> None:
    (token,) = headers_of(gateway.ask(f"/function/{function}"))[TOKEN_HEADER.lower()]

    if other == function:
        assert verifier(gateway, other).verify(token, "GET", "/").tenant == "default"
    else:
        with pytest.raises(Unauthorized, match="wrong signature"):
            verifier(gateway, other).verify(token, "GET", "/")


@pytest.mark.parametrize("target", ["/function/guest", "/function/guest.openfaas-fn/x", "/readyz"])
def test_what_is_not_ours_to_identify_is_told_nothing(gateway: Gateway, target: str) -> None:
    answer = gateway.ask(target, "GET", *CLAIMS)

    assert headers_of(answer).keys() <= SAFE


def test_the_password_of_openfaas_reaches_no_function(gateway: Gateway) -> None:
    login = b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    ours = gateway.ask("/function/guest", "GET", f"Authorization: Basic {login}")
    own = gateway.ask("/function/guest", "GET", "Authorization: Bearer of-the-guest")

    assert "authorization" not in headers_of(ours)
    assert headers_of(own)["authorization"] == ["Bearer of-the-guest"]


def test_two_keys_are_none(gateway: Gateway) -> None:
    good = f"X-Api-Key: {gateway.key}"
    pairs: list[tuple[Any, ...]] = [(good, "X-Api-Key: x"), ("X-Api-Key: x", good), (good, good)]

    assert [gateway.ask("/function/guest", "GET", *pair).status for pair in pairs] == [401] * 3
