"""Where the client of OpenFaaS' API asks for what."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.http.openfaas import OpenFaaS
from pipeline.settings import Settings


class Server:
    """Answers every request with its name, and keeps the paths."""

    def __init__(self, name: str) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                body = f'{{"name": "{name}"}}'.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    both = Server("api"), Server("metrics")
    yield both
    for each in both:
        each.stop()


def client(tmp_path: Path, **settings: str) -> OpenFaaS:
    for name in ("basic-auth-user", "basic-auth-password"):
        (tmp_path / name).write_text("admin")
    return OpenFaaS(Settings(secrets_dir=str(tmp_path), **settings), 10.0)  # type: ignore[arg-type]


def test_metrics_are_asked_of_the_api_where_nothing_else_is_said(
    tmp_path: Path, servers: tuple[Server, Server]
) -> None:
    api, other = servers

    client(tmp_path, openfaas_url=api.url).metrics()

    assert (api.asked, other.asked) == (["/metrics"], [])


def test_metrics_are_asked_where_openfaas_own_gateway_has_them(
    tmp_path: Path, servers: tuple[Server, Server]
) -> None:
    api, other = servers
    told = client(tmp_path, openfaas_url=api.url, openfaas_metrics_url=f"{other.url}/")

    function = told.function("image-upload")
    metrics = told.metrics()

    assert function == {"name": "api"}
    assert metrics == '{"name": "metrics"}'
    assert (api.asked, other.asked) == (["/system/function/image-upload"], ["/metrics"])
