"""What the doctor makes of what parts tell; and a part that hangs does not hang it."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from imagectl.doctor import (
    asking,
    buckets,
    certificates,
    clocks,
    deployed,
    models,
    replicas,
    report,
)
from imagectl.doctor.deployment import Deployment
from imagectl.doctor.examining import examine
from imagectl.doctor.finding import FAILED, OK, WARNING, Finding, Wrong, of
from pipeline.errors import Unavailable
from pipeline.names import FUNCTIONS
from tests.ports import free_ports


def _fine() -> list[Finding]:
    return [of("fine", [], "all is well")]


def test_a_check_that_hangs_has_failed_and_the_others_are_told() -> None:
    never = threading.Event()

    def hangs() -> list[Finding]:
        never.wait()
        return []

    found = examine({"hangs": hangs, "fine": _fine}, budget_seconds=1.0)

    assert [(each.check, each.state) for each in found] == [("hangs", FAILED), ("fine", OK)]
    assert found[0].found == "no answer within 1 s"
    never.set()


@pytest.mark.parametrize("error", [Unavailable("not there"), ValueError("a bug"), OSError("no")])
def test_a_check_that_breaks_off_has_failed_and_the_others_are_told(error: Exception) -> None:
    def breaks() -> list[Finding]:
        raise error

    found = examine({"breaks": breaks, "fine": _fine}, budget_seconds=60.0)

    assert [(each.check, each.state) for each in found] == [("breaks", FAILED), ("fine", OK)]
    assert str(error) in found[0].found


def test_a_line_is_as_bad_as_the_worst_of_it() -> None:
    wrong = [Wrong("a", "b", "c", WARNING), Wrong("d", "b", "e")]

    assert of("check", wrong, "") == Finding("check", FAILED, "a; d", "b", "c; e")


@pytest.mark.parametrize(
    ("states", "status"), [([], 0), ([OK], 0), ([OK, WARNING], 1), ([FAILED, WARNING], 2)]
)
def test_the_status_is_that_of_the_worst_line(states: list[str], status: int) -> None:
    assert report.status([Finding("one", state, "") for state in states]) == status


@pytest.mark.parametrize(
    ("first", "last", "ahead"),
    [(100, 101, 0), (99, 100, 0), (98, 99, -1), (102, 103, 2), (90, 91, -9), (200, 201, 100)],
)
def test_a_clock_is_wrong_by_no_more_than_must_be(first: int, last: int, ahead: int) -> None:
    assert asking.ahead(first, last, began=100, ended=100) == ahead


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, None), (1.9, None), (-2.5, WARNING), (30, FAILED), (-30, FAILED)]
)
def test_a_clock_that_is_wrong_is_named(seconds: float, state: str | None) -> None:
    wrong = clocks.judged({"minio": seconds})

    assert [each.state for each in wrong] == ([state] if state else [])
    assert all("minio" in each.found and "minio" in each.change for each in wrong)


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        (None, []),
        ('{"Statement": []}', []),
        (
            '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]},'
            ' "Action": ["s3:GetObject", "s3:ListBucket"]}]}',
            ["s3:GetObject", "s3:ListBucket"],
        ),
        (
            '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject"}}',
            ["s3:PutObject"],
        ),
        ('{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*"}]}', []),
        ('{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "me"}, "Action": "s3:*"}]}', []),
    ],
)
def test_what_a_policy_allows_to_everybody_is_read(policy: str | None, allowed: list[str]) -> None:
    assert buckets.allowed_to_everybody(policy) == allowed


def test_the_loaded_model_is_read_from_what_a_replica_tells() -> None:
    digest = "a" * 64
    text = f'# HELP x\nimage_model_loaded{{digest="{digest}",model_id="pets-1"}} 1.0\n'

    assert list(models.loaded([text, ""])) == [("pets-1", digest)]


@contextmanager
def http_server() -> Iterator[int]:
    """Answer every question; the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def _note(folder: Path, name: str, port: int) -> None:
    (folder / "run").mkdir(exist_ok=True)
    (folder / "supervisor.json").touch()
    told = {"function": name.rpartition("-")[0], "ports": {"http": port}}
    (folder / "run" / f"{name}.json").write_text(json.dumps(told))


def test_a_replica_that_ends_is_no_fault_where_another_answers(tmp_path: Path) -> None:
    deployment = Deployment({"STATE_DIR": str(tmp_path)}, Path("stack.yml"))
    [closed] = free_ports(1)
    _note(tmp_path, "image-upload-1", closed)

    with pytest.raises(Unavailable, match=f"127.0.0.1:{closed}"):
        dict(replicas.metrics(deployment, "image-upload"))
    with http_server() as port:
        _note(tmp_path, "image-upload-2", port)
        told = dict(replicas.metrics(deployment, "image-upload"))

    assert {url: answer.body for url, answer in told.items()} == {
        f"http://127.0.0.1:{port}": b"/metrics"
    }
    assert dict(replicas.metrics(deployment, "image-results")) == {}


def test_parts_are_found_where_the_environment_says() -> None:
    told = "one=http://one:1/, two=http://two:2"

    deployment = Deployment({"PARTS": told}, Path("stack.yml"))

    assert deployment.consumer_urls() == {"one": "http://one:1", "two": "http://two:2"}


@contextmanager
def tls_server(folder: Path, name: str, days: int) -> Iterator[tuple[int, str]]:
    """Shake hands with whoever comes; the port, and the certificate, which is its own authority."""
    openssl = shutil.which("openssl")
    assert openssl, "openssl is missing; it is in the package of that name"
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", key, "-out", certificate, "-days", str(days),
            "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            try:
                connection, _ = listening.accept()
                with connection, context.wrap_socket(connection, server_side=True) as channel:
                    channel.recv(1)
            except OSError:
                return  # the client did not like it, or the test is over

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield listening.getsockname()[1], str(certificate)


@pytest.mark.parametrize(
    ("name", "days", "is_known", "state", "found"),
    [
        ("localhost", 90, True, None, ""),
        ("localhost", 5, True, WARNING, "days more"),
        ("localhost", 90, False, FAILED, "self-signed"),
        ("elsewhere", 90, True, FAILED, "Hostname mismatch"),
    ],
)
def test_a_certificate_is_examined(
    tmp_path: Path, name: str, days: int, is_known: bool, state: str | None, found: str
) -> None:
    with tls_server(tmp_path, name, days) as (port, authority):
        url = f"https://localhost:{port}"
        given = {"GATEWAY_URL": url, **({"TLS_CA_FILE": authority} if is_known else {})}

        (told,) = certificates.examine(Deployment(given, Path("stack.yml")))

    assert told.state == (state or OK)
    assert found in told.found


def test_nothing_is_said_of_certificates_where_none_is_configured() -> None:
    (told,) = certificates.examine(Deployment({}, Path("stack.yml")))

    assert (told.state, told.found) == (OK, "none is configured")


class Told:
    """What an OpenFaaS says of functions that are as stack.yml has them."""

    def __init__(self, *_: object) -> None:
        pass

    def functions(self) -> list[dict[str, object]]:
        return [{"name": name, "replicas": 1, "availableReplicas": 1} for name in FUNCTIONS]


def test_variables_that_openfaas_does_not_tell_are_not_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("basic-auth-user", "basic-auth-password"):
        (tmp_path / name).write_text("admin")
    monkeypatch.setattr(deployed, "OpenFaaS", Told)
    monkeypatch.setattr(deployed, "_version", lambda *_: [])

    (found,) = deployed.examine(Deployment({"SECRETS_DIR": str(tmp_path)}, tmp_path / "none.yml"))

    assert (found.state, found.found.partition("; ")[2]) == (
        OK, "this OpenFaaS does not tell with which variables",
    )  # fmt: skip
