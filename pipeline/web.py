"""What every function speaks over HTTP: the caller's tenant, JSON answers, problems (RFC 9457)."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import telemetry
from pipeline.errors import PipelineError, Rejected, Unauthorized, Unavailable
from pipeline.ids import TENANT_PATTERN

logger = logging.getLogger(__name__)

Response = dict[str, Any]

TENANT_HEADER = "X-Tenant"
SECRET_HEADER = "X-Internal-Secret"
UNSUPPORTED_ENCODING = "unsupported-encoding"
MAX_FOUND_CHARACTERS = 200


@dataclass(frozen=True)
class Call:
    """One HTTP request as a handler gets it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    trace_id: str

    def tenant(self, internal_secret: str) -> str:
        """Tell whose request it is; only the gateway, which knows the secret, may say so.

        Raises:
            Unauthorized: the secret is missing or wrong, or the tenant is no tenant's name.
        """
        self.require_secret(internal_secret)
        name = self.headers.get(TENANT_HEADER, "")
        if not TENANT_PATTERN.fullmatch(name):
            raise Unauthorized("the request names no tenant; send it through the gateway")
        return name

    def require_secret(self, internal_secret: str) -> None:
        """Refuse a caller that is not part of this system.

        Raises:
            Unauthorized: the secret is missing or wrong.
        """
        if not self.carries_secret(internal_secret):
            raise Unauthorized(
                f"{SECRET_HEADER} is missing or wrong; send the request through the gateway",
                allowed="requests through the gateway, with X-Api-Key",
            )

    def carries_secret(self, internal_secret: str) -> bool:
        """Tell whether the caller is part of this system."""
        given = self.headers.get(SECRET_HEADER, "")
        return hmac.compare_digest(given.encode(), internal_secret.encode())

    def require_method(self, *allowed: str) -> None:
        """Refuse another method.

        Raises:
            Rejected: 405.
        """
        if self.method not in allowed:
            raise Rejected(
                f"{self.method} is not allowed here",
                code="method-not-allowed",
                status=405,
                found=self.method,
                allowed=", ".join(allowed),
            )

    def require_no_encoding(self) -> None:
        """Refuse a body that is to be inflated: its size would be that of a bomb.

        Raises:
            Rejected: 415.
        """
        found = self.headers.get("Content-Encoding", "")
        if {coding.strip().lower() for coding in found.split(",")} - {"", "identity"}:
            found = found[:MAX_FOUND_CHARACTERS]
            raise Rejected(
                f"the body has the Content-Encoding {found!r}; send the bytes as they are",
                code=UNSUPPORTED_ENCODING,
                status=415,
                found=found,
                allowed="identity",
            )


def answer(event: Any, function: Callable[[Call], Response]) -> Response:
    """Run a function on an OpenFaaS event; errors meant for the caller become problems."""
    call = Call(
        method=event.method,
        path=event.path or "/",
        query=event.query or {},
        headers=event.headers,
        body=event.body or b"",
        trace_id=telemetry.trace_id(event.headers.get("traceparent")),
    )
    try:
        call.require_no_encoding()
        return function(call)
    except PipelineError as error:
        logger.log(
            logging.WARNING if error.status >= 500 else logging.INFO,
            "request refused",
            extra={"trace_id": call.trace_id, "status": error.status, "reason": str(error)},
        )
        return problem(error, call.trace_id)


def respond(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """Answer JSON."""
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", **(headers or {})},
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    }


def problem(error: PipelineError, trace_id: str) -> Response:
    """Answer an error as application/problem+json."""
    body: dict[str, object] = {
        "type": f"urn:image-pipeline:problem:{error.code}",
        "title": error.code.replace("-", " "),
        "status": error.status,
        "detail": str(error),
        "traceId": trace_id,
    }
    if error.found is not None:
        body["found"] = error.found
    if error.allowed is not None:
        body["allowed"] = error.allowed
    headers = {"Content-Type": "application/problem+json"}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == 405:
        headers["Allow"] = str(error.allowed)
    if error.code == UNSUPPORTED_ENCODING:
        headers["Accept-Encoding"] = str(error.allowed)  # as RFC 9110 has it in a 415
    # What was found may hold half a character, which JSON can say and UTF-8 cannot.
    text = json.dumps(body, ensure_ascii=False).encode(errors="replace").decode()
    return {"statusCode": error.status, "headers": headers, "body": text}
