"""A request is decided on by the path that is passed on, and read in one way only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway import Connection, Gateway, exchange, running_gateway

FUNCTIONS = ("image-upload", "image-classifier", "image-results", "guest")
KEYLESS = "X-Api-Key: none"

CONFUSING = [
    "/function/guest/../../async-function/x",
    "/function/image-classifier/../../async-function/x",
    "/api/v1/jobs/../../../system/functions",
    "/healthz/../function/guest",
    "/function/guest/.",
    "/function/guest/./x",
    "/function/guest/..",
    "/..",
    "/function/guest/..?x",
    "/function/guest/%2e%2e/x",
    "/function/guest/%2E./x",
    "/function/guest/..%2f..%2fx",
    "/function/guest%2Fx",
    "/function%2fguest",
    "/function/guest/a%5cb",
    "/function/guest/a\\b",
    "/function/guest/..\\..\\x",
    "//function/guest",
    "/function//guest",
    "/function/guest//metrics",
    "/function/guest//",
    "/function/guest;x=1",
    "/function/guest/a;b/c",
    "/function/guest/a%3Bb",
    "/function/guest/%00",
    "/function/guest/%0d%0aX-Tenant:%20a",
    "/function/guest/%1f",
    "/function/guest/%7f",
    "/function/guest/%c2%85",
    "/function/guest/%252e%252e/x",
    "/function/guest/%25",
    "/function/guest/%5Bx%5D",
    "/function/guest/%zz",
    "/function/guest/%",
    "/function/guest/%4",
    "/function/guest/%5fmetrics",
    "/function/guest/%6Detrics",
    "/%66unction/guest",
    "/function/guest/%3fx",
    "/function/guest/%23x",
    "/function/guest#x",
    "/function/guest?x#y",
    "/function/guest/%C0%AE%C0%AE/x",
    "/function/guest/%E0%80%AF",
    "/function/guest/%ED%A0%80",
    "/function/guest/%F4%90%80%80",
    "/function/guest/%FF",
    "/function/guest/\xe9",
    "/function/guest?x=\xe9",
    '/function/guest/a"b',
    "/function/guest/a|b",
    "/function/guest/{x}",
    "http://gateway/function/guest",
    "http://gateway/healthz",
    "http://gateway",
    "gateway:80",
    "function/guest",
    "*",
    "?x",
    "/function/guest x",
    "/function/guest\tx",
    "/function/guest\x01",
    "/function/guest\x0bx",
]

PLAIN = {
    "/function/guest": "/",
    "/function/guest/": "/",
    "/function/guest?x=%2e%2e%2f;a//b&y=%00%zz": "/",
    "/function/guest.openfaas-fn/a/b": "/a/b",
    "/function/guest/a/b/": "/a/b/",
    "/function/guest/a.b/...": "/a.b/...",
    "/function/guest/~a-b_c!$&'()*+,=:@": "/~a-b_c!$&'()*+,=:@",
    "/function/guest/a%20b%22%3C%3E%5E%7B%7C": '/a b"<>^{|',
    "/function/guest/%C3%A4%e4%b8%ad%F0%9F%98%80": "/ä中😀",
    "/function/guest/_metrics": "/_metrics",
    "/function/guest/a/metrics": "/a/metrics",
    "/api/v1/images": "/",
    "/api/v1/jobs/a-b_c": "/jobs/a-b_c",
    "/api/v1/images/a?model=m": "/images/a",
}

CLOSED = [
    "/function/guest/metrics",
    "/function/guest/metrics/",
    "/function/guest/metrics/x",
    "/function/guest/_",
    "/function/guest/_/health",
    "/function/guest/_/ready",
    "/function/guest.openfaas-fn/metrics",
    "/function/guest.openfaas-fn/_/ready",
    "/async-function/guest/metrics",
    "/async-function/guest/_/ready",
]

WITH_A_KEY = [
    "/nothing",
    "/nothing.html",
    "/nothing.jpg",
    "/index.html",
    "/page/nothing.js",
    "/metrics",
    "/api/v1/images",
    "/api/v1/images/x",
    "/api/v1/jobs/x",
    "/api/v1/key",
    "/function/guest",
    "/function/image-classifier",
    "/function/nobody",
    "/function/",
    "/async-function/guest",
    *CLOSED,
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway"), *FUNCTIONS) as running:
        yield running


@pytest.mark.parametrize("lines", [(), (KEYLESS,)], ids=["key", "no key"])
@pytest.mark.parametrize("target", CONFUSING)
def test_a_target_that_can_be_read_in_two_ways_is_refused(
    gateway: Gateway, target: str, lines: tuple[str, ...]
) -> None:
    answer = gateway.ask(target, "GET", *lines)

    assert answer.status == 400
    assert "bad-target" in answer.problem["type"]
    assert answer.problem["found"]


@pytest.mark.parametrize("target", CONFUSING)
def test_the_provider_refuses_it_too(gateway: Gateway, target: str) -> None:
    answer = exchange(gateway.provider.port, gateway.request(target))

    assert answer.status == 400
    assert answer.problem["detail"]


@pytest.mark.parametrize("target", PLAIN)
def test_a_plain_path_reaches_the_function_as_it_was_decided_on(
    gateway: Gateway, target: str
) -> None:
    assert gateway.ask(target).seen["path"] == PLAIN[target]


@pytest.mark.parametrize("target", WITH_A_KEY)
def test_no_path_is_answered_without_a_key(gateway: Gateway, target: str) -> None:
    for method in ("GET", "POST", "HEAD"):
        answer = gateway.ask(target, method, KEYLESS)
        assert answer.status == 401
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("target", CLOSED)
def test_probes_and_metrics_of_functions_are_not_there(gateway: Gateway, target: str) -> None:
    assert gateway.ask(target).status == 404
    assert gateway.ask(target, "POST").problem["type"].endswith(":not-found")


def test_an_asynchronous_call_comes_to_the_provider_of_whoever_has_a_key(gateway: Gateway) -> None:
    assert gateway.ask("/async-function/guest", "POST").problem["status"] == 501


def test_a_key_is_known_only_as_it_is(gateway: Gateway) -> None:
    key = gateway.key
    others = [key.swapcase(), key.upper(), key.lower(), key[:-1], f"{key}x", f"x{key}", f"{key},"]
    for other in others:
        assert gateway.ask("/function/guest", "GET", f"X-Api-Key: {other}").status == 401

    assert gateway.ask("/function/guest", "GET", f"X-Api-Key: {key}").status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "target",
    ["/", "/page/main.js", "/healthz", "/readyz", "/api/v1/key", "/api/v1/images",
     "/api/v1/jobs/x", "/function/guest", "/nothing", "/function/nobody", "/async-function/guest",
     "/system/info", "/system/logs?name=guest", "/function/guest/metrics"],
)  # fmt: skip
def test_the_next_answer_of_a_connection_is_its_own(
    gateway: Gateway, target: str, method: str
) -> None:
    body = b"" if method in ("GET", "HEAD") else b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    connection = Connection(gateway.port)
    connection.send(gateway.request(target, method, body=body))
    connection.send(gateway.request("/function/guest/next?n=1"))

    connection.read(method)

    assert connection.read().seen["query"] == {"n": "1"}
    connection.close()
