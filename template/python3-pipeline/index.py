"""Serve a function's handler over HTTP, and lose no request when told to stop."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, Histogram, generate_latest
from waitress import create_server, wasyncore  # type: ignore[import-untyped]
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from runtime import logs, problems
from runtime.calls import Busy, Calls, Event, Overdue
from runtime.channels import channel_class
from runtime.drain import Drain, is_quiet
from runtime.reception import MAX_HEADER_BYTES, give_up_on_slow
from runtime.settings import Settings

logger = logging.getLogger("index")

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
READING = ["GET", "HEAD"]
SPARE_THREADS = 4  # so that health, readiness and 429 are answered while every slot is taken
RECV_BYTES = 1 << 17
LOOK_EVERY_SECONDS = 1.0  # for senders that are too slow
LATE_SECONDS = 5  # for sending the last answers after the last handler call

REQUEST_SECONDS = Histogram("function_request_seconds", "Time to answer a request", ["status"])


def to_response(result: Any) -> Response:
    """Make the HTTP answer of what a handler returned: a body, or a dict with `statusCode`."""
    status, headers, body = 200, Headers(), result
    if isinstance(result, Mapping) and "statusCode" in result:
        status, body = int(result["statusCode"]), result.get("body")
        headers.update(result.get("headers") or {})
    if isinstance(body, dict | list):
        body, content_type = json.dumps(body), "application/json"
    elif isinstance(body, bytes):
        content_type = "application/octet-stream"
    elif isinstance(body, str) or body is None:
        body, content_type = body or "", "text/plain; charset=utf-8"
    else:
        raise TypeError(
            f"the handler's body is {type(body).__name__}, not str, bytes, dict or list"
        )
    headers.setdefault("Content-Type", content_type)
    return Response(body, status, headers)


def problem(status: int, detail: str, found: object = None, allowed: object = None) -> Response:
    body = problems.document(status, detail, trace_id(), found, allowed)
    return Response(body, status, content_type=problems.CONTENT_TYPE)


def trace_id() -> str | None:
    return problems.trace_id_of(request.headers.get("traceparent"))


def create_app(handler: ModuleType, calls: Calls, max_body_bytes: int, drain: Drain) -> Flask:
    app = Flask("function", static_folder=None)
    app.url_map.merge_slashes = False
    register_checks(app, handler, drain)
    register_errors(app)

    @app.before_request
    def start_clock() -> None:
        request.environ["started_at"] = time.perf_counter()

    @app.after_request
    def observe(response: Response) -> Response:
        if request.endpoint == "invoke":
            seconds = time.perf_counter() - request.environ["started_at"]
            REQUEST_SECONDS.labels(response.status_code).observe(seconds)
        return response

    @app.route("/", defaults={"path": ""}, methods=METHODS, provide_automatic_options=False)
    @app.route("/<path:path>", methods=METHODS, provide_automatic_options=False)
    def invoke(path: str) -> Response:
        length = request.content_length or 0
        if length > max_body_bytes:
            detail = f"body is {length} bytes; the limit is {max_body_bytes} bytes"
            return problem(413, detail, length, max_body_bytes)
        sender = handler.sender(event_of(b"")) if hasattr(handler, "sender") else ""
        return to_response(calls.run(length, receive, sender))

    def receive() -> Event:
        return event_of(request.get_data(cache=False))

    def event_of(body: bytes) -> Event:
        return Event(body, request.headers, request.method, request.args, request.path)

    return app


def register_checks(app: Flask, handler: ModuleType, drain: Drain) -> None:
    def check(path: str) -> Callable[[Callable[[], Response]], Callable[[], Response]]:
        # All methods: what is none of these is no business of the handler either.
        return app.route(path, methods=METHODS, provide_automatic_options=False)

    @app.before_request
    def only_read() -> None:
        if request.endpoint != "invoke" and request.endpoint and request.method not in READING:
            raise MethodNotAllowed(READING)

    @check("/_/health")
    def health() -> Response:
        return Response("OK", content_type="text/plain")

    @check("/_/ready")
    def ready() -> Response:
        if drain.has_begun:
            return problem(503, "the replica is stopping")
        try:
            reason = handler.ready() if hasattr(handler, "ready") else None
        except Exception as error:  # it says None or why not yet; an exception means never
            logger.exception("readiness failed")
            logger.critical("the function cannot serve: %s", error)
            end()
        return problem(503, reason) if reason else Response("OK", content_type="text/plain")

    @check("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def register_errors(app: Flask) -> None:
    @app.errorhandler(Busy)
    def turn_away(error: Busy) -> Response:
        response = problem(429, str(error), allowed=error.allowed)
        response.headers["Retry-After"] = "1"
        return response

    @app.errorhandler(Overdue)
    def give_up(error: Overdue) -> Response:
        return problem(504, str(error))

    @app.errorhandler(MethodNotAllowed)
    def name_the_methods(error: MethodNotAllowed) -> Response:
        allowed = ", ".join(sorted(error.valid_methods or METHODS))
        response = problem(405, f"{request.method} is not allowed here", request.method, allowed)
        response.headers["Allow"] = allowed
        return response

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        return problem(error.code or 500, error.description or error.name)

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        logger.error("request failed", exc_info=error, extra={"trace_id": trace_id()})
        return problem(500, "the function failed; its log says why")


def serve(app: Flask, settings: Settings, drain: Drain) -> None:
    """Serve until the grace window is over and nothing is in flight or on its way."""
    sockets: dict[int, Any] = {}
    server = create_server(
        app,
        map=sockets,
        host=settings.host,
        port=settings.port,
        threads=settings.max_inflight + SPARE_THREADS,
        # A body somewhat too large is read all the same: its sender gets a 413, not a reset.
        max_request_body_size=2 * settings.max_body_bytes,
        max_request_header_size=MAX_HEADER_BYTES,
        connection_limit=max(256, 4 * settings.max_inflight),
        asyncore_use_poll=True,
        # A photo in a few reads instead of a dozen: a tenth of what the server itself costs.
        recv_bytes=RECV_BYTES,
        ident=None,
        clear_untrusted_proxy_headers=False,
    )
    server.channel_class = channel_class(drain)

    def stop(signum: int, frame: object) -> None:
        drain.begin()
        server.pull_trigger()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    patience_seconds = settings.grace_seconds + settings.exec_timeout_seconds + LATE_SECONDS
    looked_at = time.monotonic()
    while not (drain.has_lasted(settings.grace_seconds) and is_quiet(server)):
        if drain.has_lasted(patience_seconds):
            logger.error("stopped with requests in flight")
            break
        wait_seconds = 0.02 if drain.has_begun else 1.0
        wasyncore.loop(wait_seconds, use_poll=True, map=sockets, count=1)
        if (now := time.monotonic()) - looked_at >= LOOK_EVERY_SECONDS:
            looked_at = now
            give_up_on_slow(server, now, settings.receive_seconds)
    wasyncore.close_all(sockets)


def end() -> NoReturn:
    """End the process as it is, whatever its threads are doing."""
    logging.shutdown()
    os._exit(1)


def main() -> None:
    logs.configure("index", "runtime")
    # It warns of every request that finds no idle thread, if only for a microsecond.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    function_folder = str(Path(__file__).resolve().parent / "function")
    if function_folder not in sys.path:
        sys.path.insert(1, function_folder)
    from function import handler

    # A handler that knows how large its bodies may be says so; the environment has the last word.
    known = {"body_bytes": handler.MAX_BODY_BYTES} if hasattr(handler, "MAX_BODY_BYTES") else {}
    settings = Settings.from_env(os.environ, **known)
    drain = Drain()
    calls = Calls(
        handler.handle,
        settings.max_inflight,
        settings.max_held_bytes,
        settings.exec_timeout_seconds,
    )
    serve(create_app(handler, calls, settings.max_body_bytes, drain), settings, drain)
    is_idle = calls.wait_until_idle(1)
    if hasattr(handler, "close"):
        handler.close()
    if not is_idle:
        logger.error("stopped with a handler call that does not return")
        end()


if __name__ == "__main__":
    main()
