"""Answers to plain requests, as bytes: a replica's and the provider's own."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus

from local.provider.http.call import Call, length_of
from local.provider.http.problem import Problem, document, headers_of
from local.provider.http.request_head import Head
from local.provider.replicas.connection import Answer, Headers

WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


def of_replica(call: Call, answer: Answer, *, is_last: bool) -> tuple[bytes, bool]:
    """Write a replica's answer as far as it has come; tell whether the rest goes in chunks."""
    fields = call.answer_headers(answer.headers)
    length = length_of(answer.headers)
    has_body = call.method != b"HEAD" and answer.status not in WITHOUT_BODY
    if answer.is_whole and has_body:
        length = b"%d" % len(answer.body)
    if length is not None and answer.status != HTTPStatus.NO_CONTENT:
        fields.append((b"Content-Length", length))
    is_chunked = length is None and has_body
    if is_chunked:
        fields.append((b"Transfer-Encoding", b"chunked"))
    return _written(answer.status, answer.reason, fields, answer.body, is_last), is_chunked


def of_provider(call: Call, head: Head, problem: Problem, *, is_last: bool) -> bytes:
    """Write a problem of the provider's own."""
    body = document(problem, head.by_name.get(b"traceparent", b"").decode("latin-1"))
    fields = [
        (name.encode(), value.encode("latin-1", "replace"))
        for name, value in headers_of(problem, call.call_id).items()
    ]
    fields += call.times()
    fields.append((b"Content-Length", b"%d" % len(body)))
    shown = b"" if head.method == b"HEAD" else body
    return _written(problem.status, problem.status.phrase.encode(), fields, shown, is_last)


def _written(status: int, reason: bytes, fields: Headers, body: bytes, is_last: bool) -> bytes:
    if not any(name.lower() == b"date" for name, _ in fields):
        fields.append((b"Date", formatdate(usegmt=True).encode()))
    if is_last:
        fields.append((b"Connection", b"close"))
    lines = [b"HTTP/1.1 %d %b\r\n" % (status, reason)]
    lines += [b"%b: %b\r\n" % field for field in fields]
    lines += [b"\r\n", body]
    return b"".join(lines)
