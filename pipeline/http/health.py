"""A consumer's own HTTP port: /healthz and /metrics, and what else one answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from pipeline.version import VERSION

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


# Of a caller that says nothing more.
_IDLE_SECONDS = 15.0
# Of the WSGI environment: what the standard's own names do not say byte by byte.
RAW_TARGET = "RAW_URI"
RAW_HEADERS = "image_pipeline.headers"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Quiet(WSGIRequestHandler):
    timeout = _IDLE_SECONDS

    def get_environ(self) -> dict[str, Any]:
        """Tell the target and the headers as they were sent, too."""
        sent = {RAW_TARGET: self.path, RAW_HEADERS: self.headers.items()}
        return {**super().get_environ(), **sent}

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a probe a second is no news."""


def serve(
    host: str,
    port: int,
    why_unhealthy: Callable[[], str | None],
    message: Callable[[], str] = str,
    others: Mapping[str, WSGIApplication] | None = None,
) -> WSGIServer:
    """Answer probes in a thread until the process ends.

    Args:
        message: what is to be said of how it goes; nothing when empty.
        others: what answers at other paths; at all below one that ends with a slash.
    """
    metrics = make_wsgi_app()

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            answer: Iterable[bytes] = metrics(environ, start_response)
            return answer
        for place, other in (others or {}).items():
            if path == place or (place.endswith("/") and path.startswith(place)):
                return other(environ, start_response)
        known = path == "/healthz"
        wrong = why_unhealthy() if known else "only /healthz and /metrics are here"
        status = ("503 Service Unavailable" if known else "404 Not Found") if wrong else "200 OK"
        said = message()
        body = {"status": wrong or "ok", "version": VERSION, **({"message": said} if said else {})}
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(body, ensure_ascii=False).encode()]

    server = make_server(host, port, application, server_class=_Server, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
