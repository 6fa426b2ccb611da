"""The calls that are OpenFaaS', and those that the gateway answers by itself."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.openapi import codes
from gateway.openapi.operations import JSON, PROBLEM, Answer, Document, Operation
from gateway.openapi.schemas import ref
from pipeline.names import ADMIN, SCOPES
from pipeline.version import VERSION

_OPENFAAS = "OpenFaaS"
_GATEWAY = "the gateway"
_METHODS = ("get", "post", "put", "patch", "delete", "options")
_ANY: Document = {"*/*": {"schema": {}}}
_READ = (*codes.EDGE, *codes.NO_BODY)
_AT_ONCE = (*codes.FIRST, *codes.NO_BODY, "precondition-failed")
_PARTS = {"minio": "ready", "kafka": "ready", "redis": "ready", "image-upload": "ready"}
_PLAIN = "text/plain"
_FILES = {
    "/": ("page", "The page for pictures", "text/html"),
    "/page/{file}": ("pageFile", "A file of the pages", ""),
    "/docs": ("docs", "This document, by Swagger UI", "text/html"),
    "/redoc": ("redoc", "This document, by ReDoc", "text/html"),
    "/openapi.json": ("openapi", "This document", JSON),
}
_KINDS = ("text/css", "text/javascript", "image/svg+xml")


def operations() -> Iterator[Operation]:
    """Give every call that is none of the images' or jobs'."""
    yield from _functions()
    yield from _system()
    yield Operation(
        "get",
        "/api/v1/key",
        "key",
        _GATEWAY,
        "Whose key it is",
        "It can be tried before anything is sent with it.",
        {
            200: Answer(
                "Its tenant, and what it allows.",
                {JSON: ref("Key")},
                ("Cache-Control",),
                {"all": {"tenant": "default", "scope": " ".join(SCOPES)}},
            )
        },
        (*_READ, "precondition-failed", *codes.KEYED),
        scope="",
    )
    yield Operation(
        "get",
        "/healthz",
        "health",
        _GATEWAY,
        "Whether the gateway answers",
        "It says nothing of what is behind it.",
        {
            200: Answer(
                "It does.", {JSON: ref("Health")}, (), {"ok": {"status": "ok", "version": VERSION}}
            )
        },
        _AT_ONCE,
    )
    yield Operation(
        "get",
        "/readyz",
        "readiness",
        _GATEWAY,
        "Whether everything behind the gateway is there",
        "Part by part; asked once a second, however many ask.",
        {
            200: Answer(
                "All that answers need is there.",
                {JSON: ref("Readiness")},
                (),
                {"ready": {"status": "ready", "parts": _PARTS}},
            ),
            503: Answer(
                "Something is not, or nobody can say.",
                {JSON: ref("Readiness"), PROBLEM: ref("Problem")},
                ("Retry-After?",),
                {"no Kafka": {"status": "not ready", "parts": {"kafka": "does not answer"}}},
            ),
        },
        (*_READ, *codes.PROXIED),
    )
    yield from (_file(path, *told) for path, told in _FILES.items())


def _functions() -> Iterator[Operation]:
    """Give OpenFaaS' own ways to functions, by any method and with any path."""
    common = (*codes.EDGE, *codes.SCOPED, "references-refused", "body-too-large", "image-too-large")
    for path in ("/function/{name}", "/function/{name}/{path}"):
        # Probes and metrics are nobody's outside.
        hidden = ("not-found",) if "{path}" in path else ()
        for method in _METHODS:
            yield Operation(
                method,
                path,
                _name("call", method, path),
                _OPENFAAS,
                "Call a function",
                "Any that is deployed, ours as well, which ask for their own scopes; a path may"
                " have any number of segments. What it answers is its own affair.",
                {},
                (*common, *codes.PROXIED, *hidden),
                scope=ADMIN,
                parameters=_parameters(path),
                body={} if method in ("get", "options") else _ANY,
                others="What the function answers.",
            )
    for path in ("/async-function/{name}", "/async-function/{name}/{path}"):
        hidden = ("not-found",) if "{path}" in path else ()
        yield Operation(
            "post",
            path,
            _name("callLater", "post", path),
            _OPENFAAS,
            "Call a function later",
            "Its answer goes to `X-Callback-Url`, where that is allowed.",
            {202: Answer("It is taken, and will be made at least once.", {}, ("X-Call-Id",))},
            (*common, *codes.QUEUED, *hidden),
            scope=ADMIN,
            parameters=(*_parameters(path), "X-Callback-Url"),
            body=_ANY,
        )


def _system() -> Iterator[Operation]:
    problem = ref("Problem")
    for method in ("get", "post", "put", "delete"):
        for path in ("/system/{call}", "/system/{call}/{path}"):
            yield Operation(
                method,
                path,
                _name("system", method, path),
                _OPENFAAS,
                "OpenFaaS' own API",
                "As faas-cli speaks it, with a password of its own: docs/openfaas.md lists its"
                " calls. It refuses in plain text.",
                {
                    400: Answer("It cannot be read.", {_PLAIN: _text(_PLAIN), PROBLEM: problem}),
                    401: Answer("No password, or a wrong one.", {_PLAIN: _text(_PLAIN)}),
                },
                codes.EDGE,
                parameters=("call", *(("path",) if "{path}" in path else ())),
                body={} if method == "get" else {JSON: {"schema": {}}},
                others="What OpenFaaS' API answers.",
                security=({"password": []},),
            )


def _file(path: str, name: str, summary: str, kind: str) -> Operation:
    kinds = (kind,) if kind else _KINDS
    missing = ("unauthorized", "not-found") if path == "/page/{file}" else ()
    return Operation(
        "get",
        path,
        name,
        _GATEWAY,
        summary,
        "Open to everybody; what is no file is as any other path.",
        {
            200: Answer("The file.", {each: _text(each) for each in kinds}, _OF_FILES),
            304: Answer("`If-None-Match` names the file that it still is.", {}, _OF_FILES),
        },
        (*_READ, *missing, "precondition-failed"),
        parameters=(*(("file",) if "{file}" in path else ()), "If-None-Match"),
    )


_OF_FILES = ("ETag", "Cache-Control", "Content-Security-Policy")


def _text(kind: str) -> Document:
    return {"type": "object" if kind == JSON else "string"}


def _parameters(path: str) -> tuple[str, ...]:
    return ("name", *(("path",) if "{path}" in path else ()))


def _name(start: str, method: str, path: str) -> str:
    return f"{start}{method.title()}{'With' if path.count('{') > 1 else ''}"
