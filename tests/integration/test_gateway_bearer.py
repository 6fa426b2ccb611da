"""Bearer tokens at the real gateway: who comes in, as whom, and that nobody else does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.http.identity import GATEWAY, Verifier
from pipeline.names import FUNCTIONS
from tests.gateway import Answer, Connection
from tests.issuer import DISCOVERY, JWKS, Issuer, SigningKey, running_issuer
from tests.provider import Provider
from tests.security import routes
from tests.stack import until
from tests.verifier import BearerGateway, running_bearer_gateway

BEARERS = ("RS256", "PS256", "ES256", "EdDSA")
HOUR = 3600
ORIGIN = "https://photos.example"
SETTINGS = {"OIDC_SCOPES": "upload=upload,read=read,all=admin", "OIDC_KEYS_SECONDS": "86400"}


@pytest.fixture(scope="module")
def door() -> Iterator[BearerGateway]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_issuer() as issuer,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("CORS_ORIGINS", ORIGIN)
        Path(folder).chmod(0o755)
        functions = (*FUNCTIONS, routes.GUEST)
        with running_bearer_gateway(Path(folder), issuer, *functions, **SETTINGS) as running:
            yield running


def told(door: BearerGateway, answer: Answer) -> Any:
    """Whom the function was told of."""
    headers = dict(answer.seen["headers"])
    secret = (door.gateway.stack.secrets_dir / "image-upload-key").read_text().strip()
    verifier = Verifier("image-upload", {GATEWAY: secret})
    return verifier.verify(headers["X-Gateway-Token"], "GET", "/")


@pytest.mark.parametrize("algorithm", BEARERS)
def test_a_good_token_comes_in_as_its_tenant_with_its_scopes(
    door: BearerGateway, algorithm: str
) -> None:
    caller = told(door, door.bearer(door.issuer.token(algorithm)))

    person = f"{door.issuer.url}\nanna@example.org".encode()
    assert (caller.tenant, caller.scopes) == ("press", {"upload", "read"})
    assert caller.key_id == hashlib.sha256(person).hexdigest()[:12]


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["others", "image-pipeline"]},
        {"scope": ["read", "upload", 7, {"admin": 1}]},
        {"exp": -1},
        {"nbf": 5},
        {"tenant": "a" * 63},
        {"scope": "upload  read \x00 email"},
        {"iat": None},
    ],
)
def test_what_an_issuer_may_write_is_taken(door: BearerGateway, claims: dict[str, Any]) -> None:
    now = time.time()
    named = {
        name: now + value if name in ("exp", "nbf") else value for name, value in claims.items()
    }

    caller = told(door, door.bearer(door.issuer.token(**named)))

    assert caller.scopes == {"upload", "read"}


def test_one_scheme_has_many_spellings(door: BearerGateway) -> None:
    token = door.issuer.token()

    found = [
        door.ask(f"Authorization: {scheme} {token}") for scheme in ("bearer", "BEARER", "Bearer ")
    ]

    assert [answer.status for answer in found] == [200, 200, 200]


def _encoded(data: bytes | str) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _by_hmac(issuer: Issuer, secret: bytes) -> str:
    """Sign with what everybody knows, as if it were a secret."""
    header = _encoded(json.dumps({"alg": "HS256", "kid": "RS256-1"}))
    signed = f"{header}.{_encoded(json.dumps(issuer.claims()))}"
    return f"{signed}.{_encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _public(issuer: Issuer, kind: Encoding, form: PublicFormat) -> bytes:
    found: bytes = issuer.keys["RS256"].private.public_key().public_bytes(kind, form)
    return found


def _unsigned(issuer: Issuer, algorithm: Any, signature: str = "") -> str:
    header = _encoded(json.dumps({"alg": algorithm, "kid": "RS256-1"}))
    return f"{header}.{_encoded(json.dumps(issuer.claims()))}.{signature}"


def _header(**more: Any) -> Callable[[Issuer], str]:
    return lambda issuer: issuer.signed(issuer.keys["ES256"], issuer.claims(), **more)


def _claims(**claims: Any) -> Callable[[Issuer], str]:
    return lambda issuer: issuer.token(**claims)


def _payload(payload: bytes, header: bytes = b'{"alg":"ES256","kid":"ES256-1"}') -> Any:
    return lambda issuer: issuer.written(issuer.keys["ES256"], header, payload)


def _stranger(kid: str = "ES256-1", **headers: Any) -> Callable[[Issuer], str]:
    return lambda issuer: issuer.signed(SigningKey("ES256", kid), issuer.claims(), **headers)


_PUBLISHED = {"jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/chain"}
# What opens nothing, by what is wrong with it.
FORGED: dict[str, Callable[[Issuer], str]] = {
    "no algorithm": lambda issuer: _unsigned(issuer, "none"),
    "no algorithm, in capitals": lambda issuer: _unsigned(issuer, "NONE", "AAAA"),
    "an algorithm that is a list": lambda issuer: _unsigned(issuer, ["RS256"], "AAAA"),
    "an algorithm that is nothing": lambda issuer: _unsigned(issuer, None, "AAAA"),
    "an empty signature": lambda issuer: _unsigned(issuer, "RS256"),
    "HS256 with the public key": lambda issuer: _by_hmac(
        issuer, _public(issuer, Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ),
    "HS256 with the public key, otherwise": lambda issuer: _by_hmac(
        issuer, _public(issuer, Encoding.DER, PublicFormat.PKCS1)
    ),
    "HS256 with nothing": lambda issuer: _by_hmac(issuer, b""),
    "another algorithm than its key's": lambda issuer: issuer.written(
        issuer.keys["RS256"],
        b'{"alg":"PS256","kid":"RS256-1"}',
        json.dumps(issuer.claims()).encode(),
    ),
    "another kind of key": lambda issuer: issuer.signed(
        issuer.keys["EdDSA"], issuer.claims(), kid="ES256-1"
    ),
    "another issuer": _claims(iss="http://127.0.0.1:1"),
    "another issuer by a slash": lambda issuer: issuer.token(iss=f"{issuer.url}/"),
    "no issuer": _claims(iss=None),
    "a list of issuers": lambda issuer: issuer.signed(
        issuer.keys["ES256"],
        {**issuer.claims(), "aud": "image-pipeline", "x": [issuer.url]},
        typ="x",
    ),
    "another audience": _claims(aud="image-pipelines"),
    "no audience": _claims(aud=None),
    "an audience that is a number": _payload(b'{"iss":1,"aud":1,"sub":"a","exp":9999999999}'),
    "an empty list of audiences": _claims(aud=[]),
    "expired": _claims(exp=int(time.time()) - HOUR),
    "no end": _claims(exp=None),
    "not valid yet": _claims(nbf=int(time.time()) + HOUR),
    "issued in the future": _claims(iat=int(time.time()) + HOUR),
    "no subject": _claims(sub=None),
    "an empty subject": _claims(sub=""),
    "an end that is a text": _claims(exp=str(int(time.time()) + HOUR)),
    "an end that is true": _claims(exp=True),
    "an end beyond numbers": _claims(exp=10**30),
    "a beginning that is a list": lambda issuer: issuer.written(
        issuer.keys["ES256"],
        b'{"alg":"ES256","kid":"ES256-1"}',
        json.dumps(issuer.claims(nbf=[1])).encode(),
    ),
    "a subject that is a number": lambda issuer: issuer.written(
        issuer.keys["ES256"],
        b'{"alg":"ES256","kid":"ES256-1"}',
        json.dumps(issuer.claims(sub=7)).encode(),
    ),
    "a stranger's key under a known name": _stranger(),
    "a stranger's key without a name": lambda issuer: issuer.signed(
        SigningKey("ES256", "x"), issuer.claims(), kid=None
    ),
    "an unknown key": _stranger("nobody's"),
    "a key's name that is a path": _stranger("../../../dev/null"),
    "a key's name that is an address": _stranger("http://127.0.0.1:1/key"),
    "a key's name with a command": _stranger("x' UNION SELECT 1 --"),
    "a key's name that is long": _stranger("k" * 3000),
    "a key of its own": lambda issuer: (
        lambda key: issuer.signed(key, issuer.claims(), jwk=key.shown)
    )(SigningKey("ES256", "ES256-1")),
    "a key that lies elsewhere": _stranger("elsewhere", **_PUBLISHED),
    "an extension": _header(crit=["exp"]),
    "bytes that are no base64 of their own": _header(b64=False, crit=["b64"]),
    "another type": _header(typ="dpop+jwt"),
    "two names that are the same": _payload(
        b'{"alg":"ES256"}', b'{"alg":"ES256","alg":"none","kid":"ES256-1"}'
    ),
    "a payload that is a list": _payload(b"[1]"),
    "a payload that is no JSON": _payload(b"anna"),
    "a payload that is NaN": _payload(b'{"exp":NaN}'),
    "deep JSON": _payload(b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}"),
    "a deep header": _payload(b"{}", b'{"alg":"ES256","x":' + b"[" * 900 + b"]" * 900 + b"}"),
    "half a pair": _payload(b'{"sub":"\\ud800"}'),
    "a huge number": _payload(b'{"exp":' + b"9" * 3000 + b"}"),
    "four parts": lambda issuer: f"{issuer.token()}.AAAA",
    "two parts": lambda issuer: issuer.token().rpartition(".")[0],
    "encrypted, in five parts": lambda issuer: "a.b.c.d.e",
    "its signature padded": lambda issuer: f"{issuer.token()}=",
    "another word behind it": lambda issuer: f"{issuer.token()} x",
    "another token behind a comma": lambda issuer: f"{issuer.token()},{issuer.token()}",
    "in quotes": lambda issuer: f'"{issuer.token()}"',
    "an API key": lambda issuer: "A" * 43,
    "nothing": lambda issuer: "",
}
# They are genuine, and say nothing that opens.
UNUSABLE = {
    "no tenant": _claims(tenant=None),
    "a tenant in capitals": _claims(tenant="Press"),
    "a tenant with a space": _claims(tenant="press admin"),
    "a tenant that ends a line": _claims(tenant="press\r\nX-Caller: default"),
    "a tenant that is a path": _claims(tenant="../default"),
    "a tenant with a slash": _claims(tenant="press/default"),
    "a tenant of other letters": _claims(tenant="préss"),
    "a tenant before a zero": _claims(tenant="press\x00"),
    "a tenant that a bucket uses": _claims(tenant="failures"),
    "a tenant that is long": _claims(tenant="a" * 64),
    "a tenant that is empty": _claims(tenant=""),
    "a tenant that is a number": _claims(tenant=7),
    "a list of tenants": _claims(tenant=["press", "default"]),
    "no scope": _claims(scope=None),
    "unknown scopes": _claims(scope="openid email root"),
    "a scope under another name": _claims(scope="admin"),
    "scopes by commas": _claims(scope="upload,read"),
    "a scope that is a number": _claims(scope=1),
    "an object of scopes": _claims(scope={"upload": True}),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_token_that_is_not_good_opens_nothing(door: BearerGateway, name: str) -> None:
    answer = door.bearer(FORGED[name](door.issuer))

    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.problem["found"].startswith("a bearer token")


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_good_token_that_says_nothing_of_use_is_forbidden(door: BearerGateway, name: str) -> None:
    answer = door.bearer(UNUSABLE[name](door.issuer))

    assert (answer.status, answer.code) == (403, "forbidden")
    assert answer.problem["found"].startswith("a bearer token")


def test_nothing_but_the_issuers_own_documents_was_ever_asked_for(door: BearerGateway) -> None:
    assert set(door.issuer.asked) == {DISCOVERY, JWKS}


def test_no_forged_token_gets_behind_any_location(door: BearerGateway) -> None:
    forged = f"Authorization: Bearer {door.issuer.token(aud='others')}"
    wrong = []
    for row, method in itertools.product(routes.rows(), routes.methods()):
        answer = door.ask(forged, target=row.target, method=method)
        # Where nothing is, or no such method, that is said to whoever asks.
        if answer.status not in (401, 404, 405):
            wrong.append((row.target, method, answer))

    assert wrong == []


def test_a_token_that_is_too_long_is_refused_before_it_is_read(door: BearerGateway) -> None:
    found = {size: door.bearer("A" * size).status for size in (4000, 8100, 9000)}

    assert found == {4000: 401, 8100: 401, 9000: 431}


def test_two_authorizations_are_one_too_many(door: BearerGateway) -> None:
    line = f"Authorization: Bearer {door.issuer.token()}"

    assert door.ask(line, line).status == 400
    assert door.ask("Authorization: Basic YTpi", line).status == 400


def test_a_key_decides_alone_and_leaves_the_function_its_authorization(door: BearerGateway) -> None:
    token, key = door.issuer.token(tenant="other"), door.gateway.key.strip()
    both = door.ask(f"X-Api-Key: {key}", f"Authorization: Bearer {token}", target="/function/guest")
    wrong_key = door.ask("X-Api-Key: x", f"Authorization: Bearer {token}")

    assert dict(both.seen["headers"])["Authorization"] == f"Bearer {token}"
    assert (wrong_key.status, wrong_key.problem["found"]) == (401, "a key that is not known")


def test_a_token_that_opened_the_door_is_told_to_no_function(door: BearerGateway) -> None:
    token = door.issuer.token(scope="all")
    seen = [
        door.bearer(token, target).seen for target in ("/function/guest", "/function/image-upload")
    ]

    assert token.rpartition(".")[2] not in json.dumps(seen)


def test_a_function_of_others_takes_the_scope_admin(door: BearerGateway) -> None:
    for target in ("/function/guest", "/async-function/guest", "/async-function/image-upload"):
        answer = door.bearer(door.issuer.token(), target)
        assert (answer.status, answer.problem["allowed"]) == (403, "admin")
        assert answer.problem["found"] == "upload, read"
    assert door.bearer(door.issuer.token(scope="all"), "/function/guest").status == 200


def test_it_can_be_asked_whom_a_token_stands_for(door: BearerGateway) -> None:
    answer = door.bearer(door.issuer.token(), "/api/v1/key")
    forged = door.bearer(door.issuer.token(aud="x"), "/api/v1/key")

    assert json.loads(answer.body) == {"tenant": "press", "scope": "upload read"}
    assert answer.headers["cache-control"] == "no-store"
    assert forged.status == 401


def test_openfaas_has_its_password_and_sees_no_token(door: BearerGateway) -> None:
    answer = door.bearer(door.issuer.token(scope="all"), "/system/functions")
    login = base64.b64encode(b":".join(_password(door.gateway.provider))).decode()
    with_password = door.ask(f"Authorization: Basic {login}", target="/system/functions")

    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="Restricted"')
    assert with_password.status == 200


def _password(provider: Provider) -> list[bytes]:
    folder = provider.state_dir / "secrets"
    return [(folder / f"basic-auth-{name}").read_bytes().strip() for name in ("user", "password")]


def test_what_everybody_may_have_is_given_whatever_a_token_is(door: BearerGateway) -> None:
    found = {path: door.bearer("x.y.z", path).status for path in ("/", "/healthz", "/page/main.js")}

    assert set(found.values()) == {200}


def test_who_has_nothing_is_told_of_both_ways(door: BearerGateway) -> None:
    connection = Connection(door.gateway.port)
    connection.send(door.request("/function/image-upload", "GET", ("Connection: close",)))
    head = connection.rest().decode().partition("\r\n\r\n")[0]
    connection.close()

    ways = [line for line in head.split("\r\n") if line.startswith("WWW-Authenticate: ")]
    assert ways == ['WWW-Authenticate: ApiKey header="X-Api-Key"', "WWW-Authenticate: Bearer"]


def test_a_page_of_another_origin_may_send_a_token(
    door: BearerGateway,
) -> None:
    asked = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization")
    answer = door.ask(f"Origin: {ORIGIN}", *asked, target="/api/v1/images", method="OPTIONS")
    system = door.ask(f"Origin: {ORIGIN}", *asked, target="/system/functions", method="OPTIONS")

    assert answer.status == 204
    assert "Authorization" in answer.headers["access-control-allow-headers"].split(", ")
    assert "access-control-allow-origin" not in system.headers


def test_a_large_body_comes_through_behind_a_token_and_not_without(door: BearerGateway) -> None:
    body, target = b"x" * 3_000_000, "/api/v1/images"
    good = f"Authorization: Bearer {door.issuer.token()}"
    forged = f"Authorization: Bearer {door.issuer.token(aud='x')}"

    found = [door.ask(line, target=target, method="POST", body=body) for line in (good, forged)]

    assert (found[0].seen["size"], found[1].status) == (len(body), 401)


def test_the_log_names_the_tenant_and_no_person(door: BearerGateway) -> None:
    caller = told(door, door.bearer(door.issuer.token(tenant="logged")))

    line = f'"tenant":"logged","key":"{caller.key_id}"'
    until(lambda: line in door.gateway.log.read_text())
    assert "anna" not in door.gateway.log.read_text()
    assert "Bearer" not in door.gateway.log.read_text()


def test_a_key_that_the_issuer_changes_is_known_soon_and_the_old_one_is_not(
    door: BearerGateway,
) -> None:
    old = door.issuer.token("EdDSA")
    assert door.bearer(old).status == 200
    door.issuer.keys["EdDSA"] = SigningKey("EdDSA", "EdDSA-2")

    until(lambda: door.bearer(door.issuer.token("EdDSA")).status == 200)

    assert door.bearer(old).status == 401


def test_a_known_key_goes_on_while_the_issuer_is_down_and_an_unknown_one_waits(
    door: BearerGateway,
) -> None:
    issuer = door.issuer
    unknown = issuer.signed(SigningKey("ES256", "new"), issuer.claims())
    issuer.answers[DISCOVERY] = (500, {}, b"")
    try:
        until(lambda: door.bearer(unknown).status == 503)
        waiting, known = door.bearer(unknown), door.bearer(issuer.token())
    finally:
        issuer.answers.clear()

    assert (waiting.code, waiting.headers["retry-after"]) == ("unavailable", "5")
    assert known.status == 200
    until(lambda: door.bearer(unknown).status == 401)


def test_without_the_verifier_keys_work_and_no_token_comes_in(door: BearerGateway) -> None:
    token = door.issuer.token()
    door.verifier.stop()
    try:
        silent = [door.bearer(token, row.target) for row in routes.rows()]
        by_key = door.ask(f"X-Api-Key: {door.gateway.key.strip()}")
    finally:
        door.verifier.start()

    assert {answer.status for answer in silent} == {503, 404}
    assert by_key.status == 200
    assert door.bearer(token).status == 200
