"""A consumer's own HTTP port: /healthz and /metrics."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from pipeline.version import VERSION


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a probe a second is no news."""


def serve(
    host: str,
    port: int,
    why_unhealthy: Callable[[], str | None],
    message: Callable[[], str] = str,
) -> WSGIServer:
    """Answer probes in a thread until the process ends.

    Args:
        message: what is to be said of how it goes; nothing when empty.
    """
    metrics = make_wsgi_app()

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            answer: Iterable[bytes] = metrics(environ, start_response)
            return answer
        known = environ["PATH_INFO"] == "/healthz"
        wrong = why_unhealthy() if known else "only /healthz and /metrics are here"
        status = ("503 Service Unavailable" if known else "404 Not Found") if wrong else "200 OK"
        said = message()
        body = {"status": wrong or "ok", "version": VERSION, **({"message": said} if said else {})}
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(body, ensure_ascii=False).encode()]

    server = make_server(host, port, application, server_class=_Server, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
