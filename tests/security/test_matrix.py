"""Every route, method and credential, from outside and from behind: nobody gets past a door."""

from __future__ import annotations

import itertools
import json

import pytest
import requests

from local.machine import processes
from pipeline.http.identity import CLASSIFY, CONSUMER, GATEWAY, TOKEN_HEADER, Signer
from tests import pictures, tokens
from tests.gateway import exchange
from tests.local_stack import LocalStack

FUNCTIONS = {"image-upload": "/", "image-classifier": "/", "image-results": "/jobs/x"}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
BATCH = "application/cloudevents-batch+json"
ROUTES = [
    "/api/v1/images",
    "/api/v1/images/x",
    "/api/v1/jobs/x",
    "/api/v1/key",
    *(f"/function/{name}{path.rstrip('/')}" for name, path in FUNCTIONS.items()),
    "/function/image-classifier.openfaas-fn",
    *(f"/async-function/{name}{path.rstrip('/')}" for name, path in FUNCTIONS.items()),
    "/async-function/image-classifier.openfaas-fn",
]
PICTURE = pictures.jpeg()
SMALL = b"x"


def headers_claimed(stack: LocalStack) -> dict[str, dict[str, str]]:
    """Credentials that open nothing."""
    settings = stack.settings
    forged = Signer(GATEWAY, "image-classifier", "guess").sign(
        "POST", "/", scopes=(CLASSIFY,), lifetime_seconds=60, tenant="default"
    )
    return {
        "none": {},
        "a wrong key": {"X-Api-Key": "x"},
        "the key in other letters": {"X-Api-Key": stack.api_key.swapcase()},
        "a tenant": {"X-Tenant": "default", "X-Internal-Secret": "x"},
        "a forged token": {TOKEN_HEADER: forged},
        "an empty token": {TOKEN_HEADER: ""},
        "the consumer's token for another path": {
            TOKEN_HEADER: Signer(
                CONSUMER, "image-classifier", settings.secret("consumer-classifier-key")
            ).sign("POST", "/x", scopes=(CLASSIFY,), lifetime_seconds=60)
        },
        "an old token": {
            TOKEN_HEADER: Signer(
                GATEWAY, "image-classifier", settings.secret("image-classifier-key")
            ).sign("POST", "/", scopes=(CLASSIFY,), lifetime_seconds=-60, tenant="default")
        },
        "the password of OpenFaaS": {},
    }


def send(
    port: int, target: str, method: str, headers: dict[str, str], picture: bytes = SMALL
) -> tuple[int, str]:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    body = picture if method in ("POST", "PUT", "PATCH") else b""
    head = [f"{method} {target} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *lines]
    answer = exchange(port, "\r\n".join(head).encode() + b"\r\n\r\n" + body, method)
    return answer.status, answer.headers.get("content-type", "")


def test_no_credential_but_a_key_opens_a_route_of_the_gateway(stack: LocalStack) -> None:
    claimed = headers_claimed(stack)
    # The tokens that open functions behind the gateway open nothing before it.
    claimed["a token"] = tokens.of_gateway(stack.settings, "image-classifier")
    claimed["the consumer's token"] = tokens.of_consumer(stack.settings)

    wrong = []
    for route, method, name in itertools.product(ROUTES, METHODS, claimed):
        found = send(stack.ports["GATEWAY"], route, method, claimed[name])
        if found != (401, "application/problem+json"):
            wrong.append((route, method, name, found))

    assert wrong == []


@pytest.mark.parametrize("door", ["provider", "replica"])
def test_no_credential_opens_a_function_from_behind(stack: LocalStack, door: str) -> None:
    claimed = headers_claimed(stack)
    claimed["a key"] = {"X-Api-Key": stack.api_key}
    claimed["the token of another function"] = tokens.of_gateway(stack.settings, "image-upload")
    wrong = []
    for function, method, name in itertools.product(FUNCTIONS, METHODS, claimed):
        if (function, name) == ("image-upload", "the token of another function"):
            continue
        port, target = _door(stack, door, function)
        status, kind = send(port, target, method, claimed[name])
        if status not in (401, 405) or kind != "application/problem+json":
            wrong.append((function, method, name, status, kind))

    assert wrong == []


def test_no_credential_calls_a_function_of_ours_later(stack: LocalStack) -> None:
    claimed = headers_claimed(stack)
    claimed["a key"] = {"X-Api-Key": stack.api_key}
    claimed["the consumer's token"] = tokens.of_consumer(stack.settings)
    wrong = []
    for function, name in itertools.product(FUNCTIONS, claimed):
        target = f"/async-function/{function}"
        status, kind = send(stack.ports["PROVIDER"], target, "POST", claimed[name])
        if (status, kind) != (401, "application/problem+json"):
            wrong.append((function, name, status, kind))

    assert wrong == []


def test_references_are_not_taken_later_either(stack: LocalStack) -> None:
    kind = {"Content-Type": BATCH}

    answer = stack.request("POST", "/async-function/image-classifier", data="[]", headers=kind)

    assert answer.status_code == 403


@pytest.mark.parametrize("door", ["provider", "replica"])
def test_each_function_takes_its_own_token(stack: LocalStack, door: str) -> None:
    found = {}
    for function, path in FUNCTIONS.items():
        port, target = _door(stack, door, function)
        method = "GET" if path != "/" else "POST"
        headers = tokens.of_gateway(stack.settings, function, method, path)
        found[function] = send(port, target, method, headers, PICTURE)[0]

    assert found == {"image-upload": 202, "image-classifier": 200, "image-results": 404}


def test_references_are_taken_from_the_consumer_alone(stack: LocalStack) -> None:
    url = f"{stack.provider_url}/function/image-classifier"
    kind = {"Content-Type": BATCH}
    body = json.dumps([])

    outside = stack.request("POST", "/function/image-classifier", data=body, headers=kind)
    gateway = requests.post(
        url, body, headers={**kind, **tokens.of_gateway(stack.settings, "image-classifier")}
    )
    consumer = requests.post(url, body, headers={**kind, **tokens.of_consumer(stack.settings)})

    assert (outside.status_code, gateway.status_code) == (403, 403)
    assert gateway.json()["type"].endswith(":references-refused")
    assert consumer.status_code == 400  # it is let in, with a batch that is none
    assert consumer.json()["type"].endswith(":bad-batch")


def _door(stack: LocalStack, door: str, function: str) -> tuple[int, str]:
    """The port of a function behind the gateway, and its target there."""
    path = FUNCTIONS[function]
    if door == "provider":
        return stack.ports["PROVIDER"], f"/function/{function}{path.rstrip('/')}"
    recorded = processes.recorded(stack.state_dir / "run").items()
    ports = [each.ports["http"] for name, each in recorded if name.startswith(f"{function}-")]
    return ports[0], path
