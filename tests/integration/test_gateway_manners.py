"""What the gateway adds to any answer: names of requests, caching, and who may read it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import pytest
import requests

from tests.gateway import Answer, Gateway, running_gateway
from tests.stack import ROOT, until

LISTED = "https://photos.example"
OTHER = "https://elsewhere.example"
UUID = "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d"
ASKS = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-api-key")
# Each is answered by another part of the gateway, or behind it.
TARGETS = {
    "a function": ("/function/mirror", "GET", 200),
    "no function": ("/function/none", "GET", 404),
    "health": ("/healthz", "GET", 200),
    "nothing there": ("/api/v2", "GET", 404),
    "a wrong method": ("/healthz", "POST", 405),
    "a method nobody has": ("/function/mirror", "TRACE", 405),
    "no function of ours": ("/api/v1/images", "POST", 404),
    "too large": ("/api/v1/jobs/x", "POST", 413),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORS_ORIGINS", f"{LISTED}, http://127.0.0.1:3000")
        with running_gateway(tmp_path_factory.mktemp("gateway"), "mirror") as running:
            yield running


def ask(gateway: Gateway, name: str, *lines: str) -> Answer:
    target, method, status = TARGETS[name]
    answer = gateway.ask(target, method, *lines, body=bytes(2000) if status == 413 else b"")
    assert answer.status == status, answer
    return answer


@pytest.mark.parametrize("name", TARGETS)
def test_a_request_keeps_the_name_that_its_client_gave_it(gateway: Gateway, name: str) -> None:
    answer = ask(gateway, name, "X-Request-Id: order/17:a")

    assert answer.headers["x-request-id"] == "order/17:a"
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-trace-id"])


@pytest.mark.parametrize("name", TARGETS)
def test_a_request_without_a_name_has_that_of_its_trace(gateway: Gateway, name: str) -> None:
    answer = ask(gateway, name)

    assert answer.headers["x-request-id"] == answer.headers["x-trace-id"]


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "-a", '"a"', "a\xe9", "a,b", "<b>", "a;b"])
def test_a_name_that_is_not_well_formed_is_replaced(gateway: Gateway, sent: str) -> None:
    answer = gateway.ask("/function/mirror", "GET", f"X-Request-Id: {sent}")

    assert answer.headers["x-request-id"] == answer.headers["x-trace-id"]
    told = [value for name, value in answer.seen["headers"] if name.lower() == "x-request-id"]
    assert told == [answer.headers["x-trace-id"]]


@pytest.mark.parametrize("sent", [UUID, UUID.replace("-", "")])
def test_a_uuid_names_the_trace_too(gateway: Gateway, sent: str) -> None:
    answer = gateway.ask("/function/mirror", "GET", f"X-Request-Id: {sent}")

    told = {name.lower(): value for name, value in answer.seen["headers"]}
    assert answer.headers["x-trace-id"] == UUID.replace("-", "")
    assert told["x-request-id"] == answer.headers["x-request-id"] == sent
    assert told["traceparent"].split("-")[1] == answer.headers["x-trace-id"]


def test_no_trace_is_named_by_noughts(gateway: Gateway) -> None:
    answer = gateway.ask("/function/mirror", "GET", f"X-Request-Id: {'0' * 32}")

    assert answer.headers["x-request-id"] == "0" * 32
    assert answer.headers["x-trace-id"] != "0" * 32


def test_a_trace_that_a_client_names_goes_before_its_request(gateway: Gateway) -> None:
    trace = os.urandom(16).hex()

    answer = gateway.ask(
        "/function/mirror", "GET", f"X-Request-Id: {UUID}", f"traceparent: 00-{trace}-{'1' * 16}-01"
    )

    assert (answer.headers["x-request-id"], answer.headers["x-trace-id"]) == (UUID, trace)
    line = until(lambda: _line_with(gateway, trace))
    assert json.loads(line)["request_id"] == UUID


def _line_with(gateway: Gateway, trace: str) -> str | None:
    """The whole line of the log; it is written when the answer has been sent."""
    lines = gateway.log.read_text().splitlines(keepends=True)
    whole = (line for line in lines if line.startswith("{") and line.endswith("\n"))
    return next((line for line in whole if trace in line), None)


@pytest.mark.parametrize("name", TARGETS)
def test_a_listed_origin_may_read_the_answer_whatever_it_is(gateway: Gateway, name: str) -> None:
    answer = ask(gateway, name, f"Origin: {LISTED}")

    assert answer.headers["access-control-allow-origin"] == LISTED
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"RateLimit", "RateLimit-Policy", "X-Trace-Id"} <= {*exposed}
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["vary"] == "Origin"


def test_an_answer_to_a_stranger_may_be_read_too(gateway: Gateway) -> None:
    answer = gateway.ask("/api/v1/images", "POST", f"Origin: {LISTED}", "X-Api-Key: wrong")

    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, LISTED)


@pytest.mark.parametrize("origin", [OTHER, "null", "*", f"{LISTED}.evil", f"{LISTED}:444", ""])
@pytest.mark.parametrize("name", ["a function", "nothing there"])
def test_no_other_origin_may(gateway: Gateway, name: str, origin: str) -> None:
    answer = ask(gateway, name, f"Origin: {origin}")

    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("target", ["/api/v1/images", "/api/v1/jobs/x", "/function/mirror", "/x"])
def test_what_a_listed_page_is_about_to_send_is_allowed_without_a_key(
    gateway: Gateway, target: str
) -> None:
    answer = gateway.ask(target, "OPTIONS", f"Origin: {LISTED}", *ASKS, "X-Api-Key:")

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == LISTED
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "X-Api-Key" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("target", "lines"),
    [
        ("/api/v1/images", (f"Origin: {OTHER}", *ASKS)),
        ("/api/v1/images", (f"Origin: {LISTED}",)),
        ("/api/v1/images", ASKS),
        ("/system/functions", (f"Origin: {LISTED}", *ASKS)),
    ],
)
def test_nothing_else_is_let_through_by_it(
    gateway: Gateway, target: str, lines: tuple[str, ...]
) -> None:
    answer = gateway.ask(target, "OPTIONS", *lines, "X-Api-Key:")

    assert answer.status == 401
    assert "access-control-allow-methods" not in answer.headers


def test_openfaas_own_api_is_read_by_no_page(gateway: Gateway) -> None:
    answer = gateway.ask("/system/functions", "GET", f"Origin: {LISTED}")

    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name][2] >= 400])
def test_no_store_keeps_a_problem(gateway: Gateway, name: str) -> None:
    assert ask(gateway, name).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("target", ["/healthz", "/api/v1/key"])
def test_no_store_keeps_what_the_gateway_says_itself(gateway: Gateway, target: str) -> None:
    assert gateway.ask(target, "GET").headers["cache-control"] == "no-store"


def test_what_is_unchanged_says_what_it_varies_by(gateway: Gateway) -> None:
    url, asks = f"http://127.0.0.1:{gateway.port}/", {"Accept-Encoding": "gzip"}
    packed = requests.get(url, headers=asks, timeout=60)

    again = requests.get(url, headers={**asks, "If-None-Match": packed.headers["ETag"]}, timeout=60)

    assert (packed.status_code, again.status_code) == (200, 304)
    varies = [{*each.headers["Vary"].split(", ")} for each in (packed, again)]
    assert varies == [{"Accept-Encoding", "Origin"}] * 2


def test_what_a_function_says_of_caching_and_packing_is_left_to_it(gateway: Gateway) -> None:
    answer = gateway.ask(
        "/function/mirror", "GET", "Accept-Encoding: gzip", "X-Long: " + "x" * 4000
    )

    assert len(answer.body) > 4000
    assert answer.headers.keys().isdisjoint({"cache-control", "content-encoding"})


def test_every_location_with_headers_of_its_own_has_those_of_all_answers() -> None:
    text = (ROOT / "gateway" / "nginx.conf").read_text(encoding="utf-8")
    locations = re.findall(r"^        location (.+?) {\n(.+?)^        }", text, re.M | re.S)

    lacking = [
        name
        for name, body in locations
        if "add_header " in body and "include ${GATEWAY_DIR}/answer-headers.conf;" not in body
    ]

    assert lacking == []
