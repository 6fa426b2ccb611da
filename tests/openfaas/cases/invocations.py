"""How a function is called: path, query, method, headers, bodies, and what comes back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from tests.openfaas import facts
from tests.openfaas.case import Case, case
from tests.openfaas.door import MIRROR, Door
from tests.openfaas.facts import Facts

# What each side passes on, or adds: noted one by one.
ANSWER_HEADERS = ("Set-Cookie", "X-Own", "Content-Encoding", "Connection", "Keep-Alive", "X-Hop")


def invoke(
    name: str,
    method: str = "GET",
    path: str = "",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    function: str = MIRROR,
) -> Case:
    """Invoke the mirror, and note what it was told."""

    def run(door: Door) -> Facts:
        answer = door.ask(method, f"/function/{function}{path}", body, headers)
        is_told = answer.status == 200 and answer.body.startswith(b"{")
        return facts.of_answer(answer) | (facts.of_told(answer) if is_told else {})

    return Case(name, run)


def answered(name: str, status: int, headers: Mapping[str, object], method: str = "GET") -> Case:
    """Have the mirror answer so, and note what comes."""

    def run(door: Door) -> Facts:
        wish = {"X-Mirror-Status": str(status), "X-Mirror-Answer": json.dumps(headers)}
        answer = door.ask(method, f"/function/{MIRROR}", None, wish)
        found = {name: answer.header(name) for name in ANSWER_HEADERS}
        return facts.of_answer(answer) | {
            f"header {name}": value for name, value in found.items() if value is not None
        }

    return Case(name, run)


def large(name: str, count: int, *, is_chunked: bool = False) -> Case:
    """Send so many bytes, and see whether all of them came."""

    def run(door: Door) -> Facts:
        body = bytes(range(256)) * (count // 256)
        sent = iter([body[at : at + 65_536] for at in range(0, len(body), 65_536)])
        answer = door.ask("POST", f"/function/{MIRROR}", sent if is_chunked else body)
        sent_digest = hashlib.sha256(body).hexdigest()
        is_whole = answer.status == 200 and answer.json()["sha256"] == sent_digest
        return {"status": str(answer.status), "came whole": str(is_whole)}

    return Case(name, run)


@case
def an_answer_of_20_MB(door: Door) -> Facts:
    answer = door.ask("GET", f"/function/{MIRROR}", None, {"X-Mirror-Bytes": "20000000"})
    return {"status": str(answer.status), "bytes": str(len(answer.body))}


@case
def the_login_in_a_call(door: Door) -> Facts:
    answer = door.ask("GET", f"/function/{MIRROR}", login=door.login)
    names = {name.lower() for name, _ in answer.json()["headers"]}
    return {"status": str(answer.status), "told Authorization": str("authorization" in names)}


TEXT = {"Content-Type": "text/plain", "User-Agent": "contract", "Accept-Encoding": "identity"}
CASES = (
    invoke("invoke with nothing", headers={"User-Agent": "contract"}),
    invoke("invoke with a body", "POST", body=b"a body", headers=TEXT),
    invoke("invoke with an empty body", "POST", body=b"", headers=TEXT),
    *(
        invoke(f"invoke by {method}", method, body=b"a body", headers=TEXT)
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND")
    ),
    invoke("invoke with its namespace", function=f"{MIRROR}.openfaas-fn"),
    invoke("invoke with a slash at the end", path="/"),
    invoke("invoke with a path", path="/a/b/c"),
    invoke("invoke with a path that ends in a slash", path="/a/b/"),
    invoke("invoke with a query", path="?a=1&b=&c&a=2"),
    invoke("invoke with a path and a query", path="/a?b=c%20d+e&f=%C3%A9"),
    invoke("invoke with a space in the path", path="/a%20b"),
    invoke("invoke with letters beyond ASCII in the path", path="/caf%C3%A9"),
    invoke("invoke with an encoded slash", path="/a%2Fb"),
    invoke("invoke with an encoded letter", path="/%61bc"),
    invoke("invoke with a double slash", path="//a//b"),
    invoke("invoke with dots", path="/a/../b"),
    invoke("invoke with an encoded dot", path="/a/%2e%2e/b"),
    invoke("invoke with a long query", path=f"?q={'x' * 6000}"),
    invoke("invoke with an id of its own", headers={"X-Call-Id": "mine"}),
    invoke("invoke with a start of its own", headers={"X-Start-Time": "1"}),
    invoke("invoke with an address of its own", headers={"X-Forwarded-For": "203.0.113.9"}),
    invoke("invoke with a host of its own", headers={"X-Forwarded-Host": "example.org"}),
    invoke("invoke with a trace", headers={"Traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}),
    invoke(
        "invoke with headers of one connection",
        headers={
            "Connection": "keep-alive, X-Hop",
            "Keep-Alive": "timeout=5",
            "X-Hop": "1",
            "X-Own": "1",
            "Proxy-Authorization": "Basic eA==",
            "Proxy-Connection": "keep-alive",
        },
    ),
    invoke("invoke with TE", headers={"TE": "trailers", "Trailer": "X-Sum"}),
    invoke("invoke with cookies", headers={"Cookie": "a=b; c=d"}),
    invoke("invoke with a header that is empty", headers={"X-Own": ""}),
    invoke("invoke and ask for gzip", headers={"Accept-Encoding": "gzip"}),
    invoke("invoke with an Authorization of its own", headers={"Authorization": "Bearer x"}),
    the_login_in_a_call,
    large("send 1 MB", 1_048_576),
    large("send 1 MB in chunks", 1_048_576, is_chunked=True),
    large("send 16 MB", 16_777_216),
    large("send 32 MB", 33_554_432),
    an_answer_of_20_MB,
    answered("an answer with its type", 200, {"Content-Type": "application/json"}),
    answered("an answer without a type", 200, {}),
    answered("an answer with cookies", 200, {"Set-Cookie": ["a=b", "c=d"], "X-Own": "1"}),
    answered("an answer that is packed", 200, {"Content-Encoding": "identity"}),
    answered(
        "an answer with headers of one connection",
        200,
        {"Keep-Alive": "timeout=5", "Connection": "keep-alive, X-Hop", "X-Hop": "1"},
    ),
    answered("an answer that leads elsewhere", 302, {"Location": "/elsewhere"}),
    answered("an answer of 204", 204, {}),
    answered("an answer of 304", 304, {"X-Own": "1"}),
    answered("an answer of 401", 401, {"WWW-Authenticate": 'Basic realm="own"'}),
    answered("an answer of 404", 404, {}),
    answered("an answer of 418", 418, {"Content-Type": "text/plain"}),
    answered("an answer of 429", 429, {"Retry-After": "7"}),
    answered("an answer of 500", 500, {}),
    answered("an answer of 503", 503, {"Retry-After": "3"}),
    answered(
        "an answer with an id and times of its own",
        200,
        {"X-Call-Id": "own", "X-Start-Time": "2", "X-Duration-Seconds": "0.500000"},
    ),
    answered("an answer to HEAD", 200, {"X-Own": "1"}, "HEAD"),
)
