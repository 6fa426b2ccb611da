"""Where OpenFaaS' API is asked for what, and when an update is asked for again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest

from local.deploy import DeployError, Gateway
from pipeline.errors import Unavailable
from pipeline.http.openfaas import OpenFaaS
from pipeline.settings import Settings


class Silent(BaseHTTPRequestHandler):
    """Logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Served:
    """Answers at an address of its own, for so long."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Server(Served):
    """Answers every request with its name, and keeps the paths."""

    def __init__(self, name: str) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(Silent):
            def do_GET(self) -> None:
                asked.append(self.path)
                body = f'{{"name": "{name}"}}'.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler)


class Provider(Served):
    """Answers updates as faas-netes does: 202, or 200 and nothing done.

    Args:
        name: as it is told by /system/info.
        conflicts: how many are not made.
    """

    def __init__(self, name: str, conflicts: int) -> None:
        self.made: list[bytes] = []
        self.asked = 0
        provider = self

        class Handler(Silent):
            def do_GET(self) -> None:
                self._answer(200, json.dumps({"provider": {"provider": name}}).encode())

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                provider.asked += 1
                is_made = provider.asked > conflicts
                if is_made:
                    provider.made.append(body)
                self._answer(202 if is_made else 200, b"")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler)


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    with Server("api") as api, Server("metrics") as metrics:
        yield api, metrics


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


def update(provider: Provider, tmp_path: Path) -> None:
    client(tmp_path, openfaas_url=provider.url).update({"service": "image-upload"})


def deploy(provider: Provider, _: Path) -> None:
    Gateway(provider.url, "admin", "admin").deploy({"service": "image-upload"})


CHANGES = pytest.mark.parametrize("change", [update, deploy])
Change = Callable[[Provider, Path], None]


@CHANGES
def test_an_update_that_faas_netes_did_not_make_is_asked_for_again(
    change: Change, tmp_path: Path
) -> None:
    with Provider("faas-netes", conflicts=3) as provider:
        change(provider, tmp_path)

    assert (provider.asked, provider.made) == (4, [b'{"service": "image-upload"}'])


@CHANGES
def test_an_update_that_faas_netes_never_makes_is_an_error(change: Change, tmp_path: Path) -> None:
    with (
        Provider("faas-netes", conflicts=100) as provider,
        pytest.raises((Unavailable, DeployError), match="image-upload: OpenFaaS answers 200"),
    ):
        change(provider, tmp_path)


@CHANGES
def test_faasd_is_believed_that_says_200_of_what_is_done(change: Change, tmp_path: Path) -> None:
    with Provider("faasd", conflicts=100) as provider:
        change(provider, tmp_path)

    assert provider.asked == 1
