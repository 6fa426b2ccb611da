"""Whether an answer is one that docs/openapi.json has: its status, headers, type and body.

What tests ask a gateway through `tests.stack` and `tests.gateway` is held against it at once.
"""

from __future__ import annotations

import functools
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jsonschema_rs

from gateway.openapi.document import document
from pipeline.limits import DEFAULTS, Limits

_SELF = "urn:document"
# Of a path, these may hold slashes.
_ANY_SEGMENTS = {"path", "file"}
_PROBLEM = "application/problem+json"
# What a parameter of a path may be: well formed, and nothing that is there.
_SAMPLES = {
    "jobId": "AQGiAbr28HHc2ed4",
    "imageId": "0" * 64,
    "name": "guest",
    "path": "some/where",
    "call": "functions",
    "file": "nothing.js",
}
# What is no call of the document is answered so.
_ELSEWHERE = {401, 404, 405}
# Neither has a body, whatever it would have been.
_BODILESS = {204, 304}


class Undocumented(AssertionError):
    """An answer that the document does not have."""


@dataclass(frozen=True)
class Call:
    """An operation of the document.

    Attributes:
        path: as the document writes it.
    """

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


class Contract:
    """The document of a stack with these limits, ready to be held against answers."""

    def __init__(self, limits: Limits = DEFAULTS) -> None:
        self.document = document(limits)
        self._registry = jsonschema_rs.Registry([(_SELF, _strict(self.document))])
        self._paths = [
            (_pattern(path), path, item) for path, item in sorted(self.document["paths"].items())
        ]
        # What is written out goes before what has parameters.
        self._paths.sort(key=lambda each: each[1].count("{"))
        self._validators: dict[tuple[str, ...], Any] = {}

    def call(self, method: str, target: str) -> Call | None:
        """Find what is called; HEAD is what GET is."""
        path = target.partition("?")[0]
        asked = "get" if method == "HEAD" else method.lower()
        for pattern, name, item in self._paths:
            if pattern.fullmatch(path):
                if asked in item:
                    return Call(asked, name)
                # A path that is written out has no other methods.
                return None
        return None

    @property
    def answers(self) -> list[tuple[Call, str]]:
        """Every answer that the document has: of which call, and its status, or `default`."""
        return [
            (Call(method, path), status)
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            for status in operation["responses"]
        ]

    def scopes(self, call: Call) -> list[str]:
        """What a key must allow for a call."""
        operation = self.document["paths"][call.path][call.method]
        return [scope for each in operation["security"] for scope in each.get("apiKey", [])]

    def codes(self, call: Call, status: str) -> list[str]:
        """The codes of the problems that an answer may be."""
        said = self.document["paths"][call.path][call.method]["responses"][status]
        return list(self._resolved(said)["content"]["application/problem+json"]["examples"])

    def check(
        self, method: str, target: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> Call | None:
        """Hold an answer against the document.

        Returns:
            The call that it answers; None where the document has none.

        Raises:
            Undocumented: saying what of it the document does not have.
        """
        told = {name.lower(): value for name, value in headers.items()}
        if method == "OPTIONS" and status == 204:
            _require("access-control-allow-methods" in told, method, target, "204 to no preflight")
            return None
        call = self.call(method, target)
        if call is None:
            known = (
                status in _ELSEWHERE or f"{status}.1" in self.document["components"]["responses"]
            )
            _require(known and status >= 400, method, target, f"{status} of no documented call")
            self._check_problem(method, target, status, told, body)
            return None
        responses = self.document["paths"][call.path][call.method]["responses"]
        said = responses.get(str(status)) or responses.get("default")
        _require(
            said is not None, method, target, f"the status {status}, undocumented: {body[:300]!r}"
        )
        key = str(status) if str(status) in responses else "default"
        response = self._resolved(said)
        for name, header in response.get("headers", {}).items():
            required = self._resolved(header).get("required")
            _require(
                not required or name.lower() in told, method, target, f"{status} without {name}"
            )
        if method == "HEAD" or status in _BODILESS or "content" not in response:
            _require(
                key == "default" or method == "HEAD" or not body,
                method,
                target,
                f"{status} with a body",
            )
            return call
        kind = told.get("content-type", "").partition(";")[0]
        known = response["content"].keys()
        _require(bool(known & {kind, "*/*"}), method, target, f"{status} of the type {kind!r}")
        if kind in known and kind.endswith("json"):
            self._validate(call, key, kind, method, target, _unpacked(body, told))
        return call

    def _check_problem(
        self, method: str, target: str, status: int, told: Mapping[str, str], body: bytes
    ) -> None:
        if method == "HEAD" or target.startswith("/system"):
            return
        kind = told.get("content-type", "")
        _require(kind == _PROBLEM, method, target, f"{status} of the type {kind!r}")
        schema = {"$ref": f"{_SELF}#/components/schemas/Problem"}
        self._held(schema, (str(status),), method, target, _unpacked(body, told))

    def _validate(
        self, call: Call, status: str, kind: str, method: str, target: str, body: bytes
    ) -> None:
        said = self.document["paths"][call.path][call.method]["responses"][status]
        where = said.get("$ref") or _pointer("paths", call.path, call.method, "responses", status)
        schema = {"$ref": f"{_SELF}{where}/{_escaped('content')}/{_escaped(kind)}/schema"}
        self._held(schema, (where, kind), method, target, body)

    def _held(
        self, schema: Any, key: tuple[str, ...], method: str, target: str, body: bytes
    ) -> None:
        if key not in self._validators:
            self._validators[key] = jsonschema_rs.Draft202012Validator(
                schema, registry=self._registry, validate_formats=True
            )
        try:
            self._validators[key].validate(json.loads(body))
        except ValueError as error:
            _require(False, method, target, f"{body[:500]!r}: {error}")

    def _resolved(self, said: Any) -> Any:
        while "$ref" in said:
            found = self.document
            for part in said["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            said = found
        return said


def sample(path: str, **given: str) -> str:
    """Fill in the parameters of a path."""
    return re.sub(r"\{(\w+)\}", lambda found: (_SAMPLES | given)[found[1]], path)


@functools.cache
def contract() -> Contract:
    """The document of the defaults: what is answered does not depend on limits."""
    return Contract()


def _require(holds: bool, method: str, target: str, said: str) -> None:
    if not holds:
        raise Undocumented(f"{method} {target[:200]}: {said}")


def _pattern(path: str) -> re.Pattern[str]:
    def segment(found: re.Match[str]) -> str:
        return ".+" if found[1] in _ANY_SEGMENTS else "[^/]+"

    return re.compile(re.sub(r"\\{(\w+)\\}", segment, re.escape(path)))


def _escaped(part: str) -> str:
    """Write a part of a JSON pointer in a fragment."""
    return quote(part.replace("~", "~0").replace("/", "~1"), safe="~")


def _pointer(*parts: str) -> str:
    return "#/" + "/".join(map(_escaped, parts))


def _unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Undo gzip where nobody has: `requests` has already."""
    packed = headers.get("content-encoding") == "gzip" and body[:2] == b"\x1f\x8b"
    return gzip.decompress(body) if packed else body


def _strict(schema: Any) -> Any:
    """Copy schemas so that a field which they do not name is wrong."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    copied = {name: _strict(part) for name, part in schema.items()}
    is_closed = "additionalProperties" in schema or "unevaluatedProperties" in schema
    if schema.get("type") == "object" and "properties" in schema and not is_closed:
        copied["unevaluatedProperties"] = False
    return copied
