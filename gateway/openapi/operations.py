"""What one call is, and how OpenAPI writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.openapi import codes
from gateway.openapi.schemas import example_problem, ref

Document = dict[str, Any]

JSON = "application/json"
PROBLEM = "application/problem+json"
# On every answer, whoever makes it; the last where the key has a rate or its tenant a quota.
_ALWAYS = ("X-Request-Id", "X-Trace-Id", "RateLimit?", "RateLimit-Policy?")
_RETRIED = {429, 503}


@dataclass(frozen=True)
class Answer:
    """An answer that is no problem.

    Attributes:
        content: a schema by content type; empty: no body.
        headers: names of components/headers; those with a question mark are not always there.
        examples: of its JSON.
    """

    description: str
    content: Mapping[str, Document] = field(default_factory=dict)
    headers: Sequence[str] = ()
    examples: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One method at one path.

    Attributes:
        scope: what a key must allow; empty: any key; None: none is asked for.
        parameters: names of components/parameters.
        codes: the problems that it may be answered.
        body: content types with their schemas.
        others: what answers that are none of ours say, as those of functions of others.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    description: str
    answers: Mapping[int, Answer]
    codes: Sequence[str]
    scope: str | None = None
    parameters: Sequence[str] = ()
    body: Mapping[str, Document] = field(default_factory=dict)
    is_body_needed: bool = False
    others: str = ""
    security: Sequence[Document] | None = None

    def render(self, problems: Problems) -> Document:
        """Write it as a part of `paths`."""
        rendered: Document = {
            "operationId": self.name,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
            "security": self._security(),
            "parameters": [
                {"$ref": f"#/components/parameters/{name}"}
                for name in (*self.parameters, "X-Request-Id", "traceparent")
            ],
            "responses": self._responses(problems),
        }
        if self.body:
            rendered["requestBody"] = {
                "required": self.is_body_needed,
                "content": {kind: dict(media) for kind, media in self.body.items()},
            }
        return rendered

    def _security(self) -> list[Document]:
        if self.security is not None:
            return list(self.security)
        if self.scope is None:
            return []
        scopes = [self.scope] if self.scope else []
        return [{"apiKey": scopes}, {"bearer": scopes}]

    def _responses(self, problems: Problems) -> Document:
        said = {str(status): _answer(answer) for status, answer in self.answers.items()}
        for status, found in codes.by_status(self.codes).items():
            name = problems.name(status, found, is_shared=bool(self.others))
            said.setdefault(str(status), {"$ref": name})
        if self.others:
            said["default"] = {"description": self.others, "headers": _headers(())}
        return dict(sorted(said.items()))


class Problems:
    """The answers that are problems, each written once, in components/responses."""

    def __init__(self) -> None:
        self.named: Document = {}
        self._names: dict[tuple[object, ...], str] = {}

    def name(self, status: int, found: Sequence[codes.Code], *, is_shared: bool = False) -> str:
        """Point to the answer of a status that these codes come with.

        Args:
            is_shared: somebody else may answer the same status in words of their own.
        """
        known = (is_shared, *sorted(code.name for code in found))
        if known not in self._names:
            count = sum(name.startswith(f"{status}.") for name in self.named) + 1
            self._names[known] = f"{status}.{count}"
            self.named[f"{status}.{count}"] = _problem(status, found, is_shared)
        return f"#/components/responses/{self._names[known]}"


def _problem(status: int, found: Sequence[codes.Code], is_shared: bool) -> Document:
    headers = ["Retry-After"] if status in _RETRIED else []
    headers += ["WWW-Authenticate"] if status == 401 else []
    headers += ["Allow"] if status == 405 else []
    ours = {
        **ref("Problem"),
        "properties": {
            "type": {"enum": [code.type for code in found]},
            "status": {"const": status},
        },
    }
    examples = {code.name: {"value": example_problem(code)} for code in found}
    lines = tuple(f"- `{code.name}`: {code.means}. What to do: {code.advice}." for code in found)
    content: Document = {PROBLEM: {"schema": ours, "examples": examples}}
    if is_shared:
        content[PROBLEM]["schema"] = {"type": "object"}
        content["*/*"] = {"schema": {}}
        headers = [f"{name}?" for name in headers]
        lines = (*lines, "- or what was called says so itself.")
    return {
        "description": "\n".join(lines),
        "headers": _headers(headers),
        "content": content,
    }


def _answer(answer: Answer) -> Document:
    said: Document = {"description": answer.description, "headers": _headers(answer.headers)}
    if answer.content:
        said["content"] = {kind: {"schema": schema} for kind, schema in answer.content.items()}
    if answer.examples:
        examples = {name: {"value": value} for name, value in answer.examples.items()}
        said["content"][JSON]["examples"] = examples
    return said


def _headers(names: Sequence[str]) -> Document:
    """Those that are always there are required."""
    return {
        name.rstrip("?"): {
            "$ref": f"#/components/headers/{name.rstrip('?')}{'-if-any' if '?' in name else ''}"
        }
        for name in (*_ALWAYS, *names)
    }
