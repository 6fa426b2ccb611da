"""What `helm test` runs, against gateways that answer well and badly."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.helm import CHART, rendered
from tests.stack import ROOT
from tests.tls import Authority, Issued

NAME = "photos.example"
LABELLED = {"status": "completed", "result": {"labels": [{"label": "star", "score": 0.9}]}}


class Gateway(ThreadingHTTPServer):
    """Answers every upload in one way, and keeps what came."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.answer = status, answer
        self.seen: list[tuple[str, dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        answer = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running(gateway: Gateway, issued: Issued | None = None) -> Iterator[Gateway]:
    if issued:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.certificate, issued.key)
        gateway.socket = context.wrap_socket(gateway.socket, server_side=True)
    thread = threading.Thread(target=gateway.serve_forever)
    thread.start()
    try:
        yield gateway
    finally:
        gateway.shutdown()
        thread.join()
        gateway.server_close()


def classify(gateway: Gateway, folder: Path, **told: str) -> subprocess.CompletedProcess[str]:
    (folder / "api-key").write_text("the key\n")
    address = f"127.0.0.1:{gateway.server_port}"
    return subprocess.run(
        [sys.executable, CHART / "files" / "classify.py"],
        env={"SECRETS_DIR": str(folder), "ADDRESS": address, "NAME": NAME, **told},
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_a_label_is_a_success_and_the_picture_was_sent_with_the_key(tmp_path: Path) -> None:
    with running(Gateway(200, LABELLED)) as gateway:
        done = classify(gateway, tmp_path)

    assert done.returncode == 0, done.stderr
    ((path, headers, body),) = gateway.seen
    assert path == "/api/v1/images"
    assert (headers["X-Api-Key"], headers["Host"]) == ("the key", NAME)
    assert body == (ROOT / "models" / "demonstration" / "example.png").read_bytes()


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (202, {"status": "accepted"}),
        (401, {"title": "unauthorized"}),
        (200, {"status": "failed", "error": {}}),
        (200, {"status": "completed", "result": {"labels": []}}),
    ],
)
def test_anything_else_is_a_failure_and_is_shown(
    status: int, answer: dict[str, Any], tmp_path: Path
) -> None:
    with running(Gateway(status, answer)) as gateway:
        done = classify(gateway, tmp_path)

    assert done.returncode == 1
    assert f"{status} {json.dumps(answer)}" in done.stdout


@pytest.mark.parametrize(("name", "expected"), [(NAME, 0), ("another.example", 1)])
def test_over_tls_the_certificate_is_that_of_the_name_that_clients_use(
    name: str, expected: int, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    issued = authority.issue(f"DNS:{name}")

    with running(Gateway(200, LABELLED), issued) as gateway:
        done = classify(gateway, tmp_path, TLS="1", CA_FILE=str(authority.certificate))

    assert done.returncode == expected
    assert bool(gateway.seen) == (not expected)


def test_the_pod_runs_it_with_what_it_asks_for() -> None:
    text = (CHART / "files" / "classify.py").read_text()
    for values in ("demo", "ingress"):
        (pod,) = (each for each in rendered(values) if each["kind"] == "Pod")
        (container,) = pod["spec"]["containers"]
        told = {each["name"]: each["value"] for each in container["env"]}
        assert container["command"] == ["python", "-c", text]
        assert {"SECRETS_DIR", "ADDRESS", "NAME"} <= told.keys()
        assert told["ADDRESS"].endswith(":443" if "TLS" in told else ":8080")
