"""Every route, method and credential, from outside and from behind: nobody gets past a door."""

from __future__ import annotations

import itertools
import json
import urllib.parse
from functools import partial

import pytest
import requests

from imagectl.keys.record import digest_of
from local.machine import processes
from pipeline.http.identity import CONSUMER, GATEWAY, TOKEN_HEADER, Signer
from pipeline.names import ADMIN, READ, SCOPES, UPLOAD
from tests import pictures, sending, tokens
from tests.gateway import Answer, exchange
from tests.imagectl import keys
from tests.local_stack import LocalStack
from tests.security import routes
from tests.sending import BUSY
from tests.stack import until

FUNCTIONS = {"image-upload": "/", "image-classifier": "/", "image-results": "/jobs/x"}
METHODS = routes.methods()
BATCH = "application/cloudevents-batch+json"
PICTURE = pictures.jpeg()
SMALL = b"x"


def headers_claimed(stack: LocalStack) -> dict[str, dict[str, str]]:
    """Credentials that open nothing."""
    settings = stack.settings
    forged = Signer(GATEWAY, "image-classifier", "guess").sign(
        "POST", "/", scopes=(UPLOAD,), lifetime_seconds=60, tenant="default"
    )
    return {
        "none": {},
        "a tenant": {"X-Tenant": "default", "X-Internal-Secret": "x"},
        "a forged token": {TOKEN_HEADER: forged},
        "an empty token": {TOKEN_HEADER: ""},
        "the consumer's token for another path": {
            TOKEN_HEADER: Signer(
                CONSUMER, "image-classifier", settings.secrets.text("consumer-classifier-key")
            ).sign("POST", "/x", scopes=(UPLOAD,), lifetime_seconds=60)
        },
        "an old token": {
            TOKEN_HEADER: Signer(
                GATEWAY, "image-classifier", settings.secrets.text("image-classifier-key")
            ).sign("POST", "/", scopes=(UPLOAD,), lifetime_seconds=-60, tenant="default")
        },
        "the password of OpenFaaS": {"Authorization": requests.auth._basic_auth_str(*stack.login)},
        "a wrong key": {"X-Api-Key": "x"},
    }


def keys_claimed(stack: LocalStack) -> dict[str, dict[str, str]]:
    """Almost the key, and the key where none is looked for."""
    key = stack.api_key
    return {
        **{f"a key that is {name}": {"X-Api-Key": text} for name, text in near(stack).items()},
        "the key elsewhere": {"Authorization": f"Bearer {key}", "Key": key},
        "the key in a cookie": {"Cookie": f"X-Api-Key={key}"},
        "the key under a name that is almost the header's": {"X_Api_Key": key},
        "the key twice": {"X-Api-Key": key, "x-api-key": key},
    }


def near(stack: LocalStack) -> dict[str, str]:
    """Almost the key, or what is known of it."""
    key = stack.api_key
    return {
        "a guess": "x",
        "in other letters": key.swapcase(),
        "in small letters": key.lower(),
        "in capitals": key.upper(),
        "its beginning": key[:-1],
        "its end": key[1:],
        "longer": f"{key}A",
        "said twice": key + key,
        "one of two": f"{key}, {key}",
        "parted": f"{key[:20]} {key[20:]}",
        "behind a tab": f"\t{key}",
        "before a tab": f"{key}\t",
        "in quotes": f'"{key}"',
        "with a byte before it": f"\x80{key}",
        "with a soft hyphen": f"{key}\xad",
        "with a zero byte": f"{key}\0",
        "a bearer's": f"Bearer {key}",
        "encoded": "".join(f"%{byte:02X}" for byte in key.encode()),
        "its digest": digest_of(key),
        "its id": digest_of(key)[:12],
        "the file of its digest": f"{stack.state_dir}/keys/{digest_of(key)}",
        "a way out of the folder": f"../keys/{digest_of(key)}",
        "a lock": ".lock",
        "empty": "",
        "long": "A" * 8000,
    }


@pytest.fixture(scope="module")
def ended(stack: LocalStack) -> dict[str, dict[str, str]]:
    """Keys that did open everything."""
    made = ("create", "--tenant", "default", "--scopes", "admin", "--name")
    revoked = keys(stack, *made, "revoked")
    keys(stack, "revoke", "revoked")
    replaced = keys(stack, *made, "replaced")
    keys(stack, "rotate", "replaced", "--overlap", "0s")
    assert exchange(stack.ports["GATEWAY"], _request("/", "GET", {"X-Api-Key": revoked})).status
    return {
        "a key that was revoked": {"X-Api-Key": revoked},
        "a key that was replaced, and has expired": {"X-Api-Key": replaced},
    }


@pytest.fixture(scope="module")
def narrow(stack: LocalStack) -> dict[str, str]:
    """A key of another tenant for each set of scopes but all of them."""
    made = ("create", "--tenant", "narrow", "--scopes")
    return {
        scopes: keys(stack, *made, scopes) for scopes in (UPLOAD, READ, f"{UPLOAD},{READ}", ADMIN)
    }


def _request(target: str, method: str, headers: dict[str, str], picture: bytes = SMALL) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    body = picture if method in ("POST", "PUT", "PATCH") else b""
    head = [f"{method} {target} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def send(
    port: int, target: str, method: str, headers: dict[str, str], picture: bytes = SMALL
) -> tuple[int, str]:
    answer = exchange(port, _request(target, method, headers, picture), method)
    return answer.status, answer.headers.get("content-type", "")


def ask(stack: LocalStack, target: str, method: str, key: str) -> Answer:
    request = _request(target, method, {"X-Api-Key": key})
    return exchange(stack.ports["GATEWAY"], request, method)


def test_every_location_of_the_gateway_has_its_rows() -> None:
    known = routes.ROWS.keys() | routes.WITHOUT_A_KEY

    assert routes.locations() == known
    assert {"= /api/v1/images", "/function/", "/system/"} <= known


def test_no_credential_but_a_key_opens_a_route_of_the_gateway(
    stack: LocalStack, ended: dict[str, dict[str, str]]
) -> None:
    claimed = headers_claimed(stack) | keys_claimed(stack) | ended
    # The tokens that open functions behind the gateway open nothing before it.
    claimed["a token"] = tokens.of_gateway(stack.settings, "image-classifier")
    claimed["the consumer's token"] = tokens.of_consumer(stack.settings)

    wrong = []
    for row, method, name in itertools.product(routes.rows(), METHODS, claimed):
        found = send(stack.ports["GATEWAY"], row.target, method, claimed[name])
        # A header that no server may read is not looked at.
        unreadable = name == "a key that is with a zero byte" and found[0] == 400
        if found != (401, "application/problem+json") and not unreadable:
            wrong.append((row.target, method, name, found))

    assert wrong == []


def test_a_key_in_the_query_opens_nothing(stack: LocalStack) -> None:
    query = urllib.parse.urlencode({"X-Api-Key": stack.api_key, "api_key": stack.api_key})

    found = {
        row.target: send(stack.ports["GATEWAY"], f"{row.target}?{query}", "GET", {})[0]
        for row in routes.rows()
    }

    assert set(found.values()) == {401}


def test_a_key_opens_what_its_scopes_allow_and_is_told_what_it_lacks(
    stack: LocalStack, narrow: dict[str, str]
) -> None:
    wrong = []
    for row, (scopes, key) in itertools.product(routes.rows(), narrow.items()):
        allowed = not row.scope or {row.scope, ADMIN} & set(scopes.split(","))
        for method in METHODS:
            answer = ask(stack, row.target, method, key)
            if allowed:
                fine = answer.status not in (401, 403)
            elif method in row.methods:
                fine = answer.status == 403 and (method == "HEAD" or _names(answer, row, scopes))
            else:
                fine = answer.status in (403, 405)
            if not fine:
                wrong.append((row.target, method, scopes, answer))

    assert wrong == []


def _names(answer: Answer, row: routes.Row, scopes: str) -> bool:
    """Whether a refusal says which scope is needed, and which there are."""
    problem = answer.problem
    has = sorted(str(problem["found"]).split(", "))
    return (answer.code, problem["allowed"], has) == (
        "forbidden",
        row.scope,
        sorted(scopes.split(",")),
    )


def test_every_scope_is_asked_for_somewhere() -> None:
    assert {row.scope for row in routes.rows()} == {"", *SCOPES}


def test_what_takes_no_key_tells_nothing_of_a_tenant(stack: LocalStack) -> None:
    port = stack.ports["GATEWAY"]
    found = {path: exchange(port, _request(path, "GET", {})) for path in ("/healthz", "/readyz")}
    refused = exchange(port, _request("/system/functions", "GET", {"X-Api-Key": stack.api_key}))

    assert {answer.status for answer in found.values()} <= {200, 503}
    assert b"default" not in b"".join(answer.body for answer in found.values())
    assert refused.status == 401


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
    def answered(function: str) -> int | None:
        port, target = _door(stack, door, function)
        path = FUNCTIONS[function]
        method = "GET" if path != "/" else "POST"
        headers = tokens.of_gateway(stack.settings, function, method, path)
        status = send(port, target, method, headers, PICTURE)[0]
        return None if status in BUSY else status

    found = {function: until(partial(answered, function)) for function in FUNCTIONS}

    assert found == {"image-upload": 202, "image-classifier": 200, "image-results": 404}


def test_references_are_taken_from_the_consumer_alone(stack: LocalStack) -> None:
    url = f"{stack.provider_url}/function/image-classifier"
    kind = {"Content-Type": BATCH}
    body = json.dumps([])

    outside = stack.request("POST", "/function/image-classifier", data=body, headers=kind)
    gateway = sending.answered(
        lambda: requests.post(
            url, body, headers={**kind, **tokens.of_gateway(stack.settings, "image-classifier")}
        )
    )
    consumer = sending.answered(
        lambda: requests.post(url, body, headers={**kind, **tokens.of_consumer(stack.settings)})
    )

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
