"""/async-function as the gateway passes it on where no provider of ours is between, on a cluster.

OpenFaaS' own gateway would take such calls only with another queue. So Nginx asks this one, and
what the provider says of a request elsewhere is said here: its name, its path, its headers.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterable
from typing import Any

from door import Door, StartResponse, problem
from pipeline import telemetry
from pipeline.errors import MethodNotAllowed, NotFound, PipelineError
from pipeline.http.health import RAW_HEADERS, RAW_TARGET

PATH = "/async-function/"
_CALL_ID = re.compile(r"[!-~]{1,200}")
_TARGET = re.compile(rf"{PATH}([^/?]+)(/[^?]*)?(\?.*)?")


class Direct:
    """A WSGI application that takes a call as a client has made it; 202 says that Kafka has it.

    Whether there is such a function is seen when the call is made: as in OpenFaaS itself.
    """

    def __init__(self, door: Door) -> None:
        self._door = door

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer POST /async-function/NAME[.NAMESPACE][/path][?query]."""
        given = environ.get("HTTP_X_CALL_ID", "")
        call_id = given if _CALL_ID.fullmatch(given) else str(uuid.uuid4())
        told = [("X-Call-Id", call_id)]
        started_at = time.time_ns()
        try:
            self._door.take(environ, _head(environ, call_id, started_at) + b"\n")
        except PipelineError as error:
            trace_id = telemetry.trace_id(environ.get("HTTP_TRACEPARENT"))
            return problem(error, start_response, trace_id, told)
        times = [("X-Start-Time", str(started_at)), ("Content-Length", "0")]
        start_response("202 Accepted", told + times)
        return [b""]


def _head(environ: dict[str, Any], call_id: str, started_at: int) -> bytes:
    method, target = environ["REQUEST_METHOD"], environ[RAW_TARGET]
    if method != "POST":
        raise MethodNotAllowed(
            f"{method} is not allowed here; an asynchronous call is a POST",
            found=method,
            allowed="POST",
        )
    match = _TARGET.fullmatch(target)
    if match is None:
        raise NotFound(f"{target.partition('?')[0]} names no function")
    name, path, query = match.groups(default="")
    headers = [[name, value] for name, value in environ[RAW_HEADERS]]
    return json.dumps(
        {
            "callId": call_id,
            "function": name,
            "method": method,
            "path": (path or "/") + query,
            "headers": [*headers, ["X-Start-Time", str(started_at)]],
        }
    ).encode()
