"""The document itself: `python -m gateway.openapi.document` writes docs/openapi.json."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.openapi import images, jobs, others
from gateway.openapi.codes import ELSEWHERE, by_status
from gateway.openapi.operations import Document, Operation, Problems
from gateway.openapi.schemas import all_schemas
from pipeline.limits import DEFAULTS, Limits
from pipeline.settings import Settings
from pipeline.version import VERSION

_COPY = Path(__file__).parents[2] / "docs" / "openapi.json"
_ABOUT = """\
Pictures go in, labels come out, and every picture that was accepted is accounted for.

Send a key in `X-Api-Key`. Errors are `application/problem+json` (RFC 9457), whose `type` ends in a
code. `HEAD` is answered wherever `GET` is, without the body; `OPTIONS` 204 to a preflight of an
origin that is listed. Every answer has `X-Request-Id` and `X-Trace-Id`. JSON of 1,000 bytes and
more is packed with gzip for who says `Accept-Encoding: gzip`, and its `ETag` is then a weak one.
What is nowhere in this document is answered 401, 404 or 405.
"""
_HEADERS = {
    "X-Request-Id": "The client's own name of the request, or the trace id.",
    "X-Trace-Id": "Leads through the logs of every part.",
    "Retry-After": "Seconds, after which to try again.",
    "ETag": "Names the answer by its content.",
    "Cache-Control": "Who may keep the answer.",
    "Content-Security-Policy": "What the page may do.",
    "Location": "Where to ask for the job.",
    "Preference-Applied": "`wait`, where it was waited.",
    "X-Cache": "`hit`: the result came from Redis; `miss`: from MinIO.",
    "Idempotent-Replayed": "`true`: the request is one that came before.",
    "RateLimit": "What is left of the key's rate, and of each quota that its tenant has.",
    "RateLimit-Policy": "That rate, and those quotas.",
    "WWW-Authenticate": "Which header takes the key.",
    "Allow": "The methods that are taken.",
    "X-Call-Id": "Names the call, in its callback too.",
}
# As functions/image-upload/idempotency.py reads it.
_IDEMPOTENCY_KEY = r'^(?:"(?:[ !#-\[\]-~]|\\["\\]){1,255}"|[!#-+\--~]{1,255})$'


def document(limits: Limits = DEFAULTS) -> Document:
    """Write what a stack with these limits takes and answers."""
    found = operations(limits)
    problems = Problems()
    paths: Document = {}
    for each in found:
        paths.setdefault(each.path, {})[each.method] = each.render(problems)
    for status, codes in by_status(ELSEWHERE).items():
        problems.name(status, codes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "image-pipeline",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/", "description": "this gateway"}],
        "tags": [{"name": name} for name in dict.fromkeys(each.tag for each in found)],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Api-Key",
                    "description": "A key stands for a tenant and for scopes: docs/keys.md.",
                },
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the issuer that OIDC_ISSUER names, if one is.",
                },
                "password": {"type": "http", "scheme": "basic"},
            },
            "schemas": all_schemas(Settings.max_files_per_request),
            "parameters": _parameters(),
            "headers": _all_headers(),
            "responses": problems.named,
        },
    }


def operations(limits: Limits = DEFAULTS) -> list[Operation]:
    """Give every call there is."""
    return [*images.operations(limits, Settings), *jobs.operations(), *others.operations()]


def text(limits: Limits = DEFAULTS) -> str:
    """Write the document as a file has it."""
    return json.dumps(document(limits), indent=1, ensure_ascii=False) + "\n"


def _all_headers() -> Document:
    found: Document = {}
    for name, description in _HEADERS.items():
        header = {"description": description, "schema": {"type": "string"}}
        found[name] = {**header, "required": True}
        found[f"{name}-if-any"] = header
    return found


def _parameters() -> Document:
    """Write components/parameters: in paths, queries and headers."""
    ids = "^[A-Za-z0-9_-]+$"
    return {
        "jobId": _in("path", "jobId", "As the upload was answered.", pattern=ids, maxLength=512),
        "imageId": _in("path", "imageId", "SHA-256 of the picture.", pattern="^[0-9a-f]{64}$"),
        "name": _in("path", "name", "Of the function.", pattern="^[a-z0-9][a-z0-9-]{0,62}$"),
        "path": _in("path", "path", "What the function sees.", pattern="^[a-z0-9-]+$"),
        "call": _in("path", "call", "Which call.", pattern="^[a-z-]+$"),
        "file": _in("path", "file", "Its name.", pattern=r"^[a-z0-9-]+\.(js|css|html|svg)$"),
        "model": _in("query", "model", "Its id.", pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"),
        "minConfidence": _in(
            "query", "minConfidence", "From 0 to 1.", pattern=r"^(0(\.[0-9]{1,17})?|1(\.0{1,17})?)$"
        ),
        "maxLabels": _in("query", "maxLabels", "From 1.", pattern="^[1-9][0-9]{0,5}$"),
        "Prefer": _in(
            "header", "Prefer", "`wait=N`: wait up to N seconds for the result.", maxLength=1024
        ),
        "Idempotency-Key": _in(
            "header",
            "Idempotency-Key",
            "1 to 255 printable ASCII characters, quoted or not: the same key and the same"
            " pictures are the same submission.",
            pattern=_IDEMPOTENCY_KEY,
        ),
        "Content-Disposition": _in(
            "header", "Content-Disposition", "The name of a picture that is the body itself."
        ),
        "If-None-Match": _in("header", "If-None-Match", "The `ETag` of an answer that is kept."),
        "X-Callback-Url": _in("header", "X-Callback-Url", "Where the answer goes."),
        "X-Request-Id": _in(
            "header",
            "X-Request-Id",
            "The client's own name of the request; another is ignored.",
            pattern="^[A-Za-z0-9][A-Za-z0-9._~+/=:@-]{0,127}$",
        ),
        "traceparent": _in(
            "header",
            "traceparent",
            "W3C Trace Context; another is ignored.",
            pattern="^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        ),
    }


def _in(place: str, name: str, description: str, **schema: object) -> Document:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": {"type": "string", **schema},
    }


if __name__ == "__main__":
    _COPY.write_text(text(), encoding="utf-8")
