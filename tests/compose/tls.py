"""The gateway's TLS in containers: docs/tls.md's commands typed, and what they promise.

Run by `python -m tests.compose` on a project of its own; a storm on one is R1's.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests import faas_cli, pages
from tests.compose.containers import of_project
from tests.ports import free_ports
from tests.stack import OF_TESTS, ROOT, until

PAGE = ROOT / "docs" / "tls.md"
EXAMPLE = ROOT / "models" / "demonstration" / "example.png"
COMPOSE = "docker compose -f docker-compose.yml -f docker-compose.tls.yml"
TYPED_SECONDS = 900

pytestmark = pytest.mark.timeout(2 * TYPED_SECONDS)


class Secure:
    """A project whose gateway speaks TLS, and what types commands at it."""

    def __init__(self, home: Path) -> None:
        gateway, http, console = free_ports(3)
        self.port = gateway
        self.secrets = home / "secrets"
        self.url = f"https://127.0.0.1:{gateway}"
        self.http_url = f"http://127.0.0.1:{http}"
        self.environment = {
            **{name: text for name, text in os.environ.items() if name != "GATEWAY_URL"},
            **OF_TESTS,
            "COMPOSE_PROJECT_NAME": f"tls-{os.getpid()}",
            "SECRETS_DIR": str(self.secrets),
            "TLS_DIR": str(self.secrets / "tls"),
            "GATEWAY_PORT": str(gateway),
            "GATEWAY_HTTP_PORT": str(http),
            "MINIO_CONSOLE_PORT": str(console),
        }

    @property
    def authority(self) -> Path:
        return self.secrets / "tls" / "ca.pem"

    @property
    def key(self) -> dict[str, str]:
        return {"X-Api-Key": (self.secrets / "api-key").read_text()}

    def types(self, line: str, **more: str) -> subprocess.CompletedProcess[str]:
        line = line.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        line = line.replace(".local/tls/", f"{self.secrets}/tls/")
        line = line.replace(".local/", f"{self.secrets}/")
        return subprocess.run(
            ["bash", "-c", line], cwd=ROOT, env={**self.environment, **more}, capture_output=True,
            text=True, timeout=TYPED_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def shown(self) -> bytes:
        """The certificate that a handshake shows now."""
        trusting = ssl.create_default_context(cafile=str(self.authority))
        with (
            socket.create_connection(("127.0.0.1", self.port), 30) as plain,
            trusting.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        ):
            found = secured.getpeercert(binary_form=True)
        assert found
        return found


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """What the page's two commands start."""
    project = Secure(tmp_path_factory.mktemp("secure"))
    makes, starts = pages.indented(PAGE, "TLS=1 ") + pages.indented(PAGE, "docker compose ")
    try:
        for line in (makes, starts):
            done = project.types(line)
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        yield project
    finally:
        project.types(f"{COMPOSE} down --volumes --timeout 5")


@pytest.mark.parametrize(
    "line", [*pages.indented(PAGE, "curl "), *pages.indented(PAGE, "openssl ")]
)
def test_the_page_s_commands_work(secure: Secure, line: str) -> None:
    done = secure.types(line)

    assert done.returncode == 0, done.stderr
    assert "accepted" in done.stdout or "Verify return code: 0 (ok)" in done.stdout


def test_a_picture_is_classified(secure: Secure) -> None:
    def sent() -> dict[str, object] | None:
        answer = requests.post(
            f"{secure.url}/api/v1/images", data=EXAMPLE.read_bytes(), timeout=60,
            headers={**secure.key, "Prefer": "wait=30"}, verify=str(secure.authority),
        )  # fmt: skip
        return answer.json() if answer.status_code == 200 else None

    assert until(sent)["result"]["labels"][0]["label"] == "star"  # type: ignore[index]


def test_who_does_not_know_the_authority_is_not_served(secure: Secure) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{secure.url}/healthz", timeout=60)


def test_what_comes_in_clear_is_led_to_it_without_a_key_and_refused_with_one(
    secure: Secure,
) -> None:
    path = f"{secure.http_url}/api/v1/images"

    led = requests.get(f"{secure.http_url}/docs", timeout=60, allow_redirects=False)
    refused = requests.get(path, headers=secure.key, timeout=60, allow_redirects=False)

    assert (led.status_code, led.headers["Location"]) == (308, f"{secure.url}/docs")
    assert refused.status_code == 400
    assert refused.json()["type"] == "urn:image-pipeline:problem:https-required"


def test_faas_cli_and_the_operator_trust_it(secure: Secure, tmp_path: Path) -> None:
    password = secure.secrets / "basic-auth-password"
    cli = f"{faas_cli.binary()} %s --gateway {secure.url}"
    told = {"SSL_CERT_FILE": str(secure.authority), "OPENFAAS_CONFIG": str(tmp_path)}

    logged_in = secure.types(f"{cli % 'login'} -u admin --password-stdin < {password}", **told)
    listed = secure.types(cli % "list", **told)
    examined = secure.types(f"{COMPOSE} run --rm --no-deps -T operator doctor")

    assert logged_in.returncode == 0, logged_in.stderr
    assert "image-classifier" in listed.stdout, listed.stderr
    assert re.search(r"certificates.*chain, name and dates are good", examined.stdout, re.DOTALL), (
        f"{examined.stdout}\n{examined.stderr}"
    )


def test_a_certificate_made_anew_is_shown_without_a_restart(secure: Secure) -> None:
    before = secure.shown()
    (gateway,) = of_project(secure.environment["COMPOSE_PROJECT_NAME"], "gateway")
    (makes,) = pages.indented(PAGE, "TLS=1 ")

    # Another name takes another certificate.
    done = secure.types(makes, TLS_NAMES="photos.example,127.0.0.1,localhost")

    assert done.returncode == 0, done.stderr
    until(lambda: secure.shown() != before)
    (same,) = of_project(secure.environment["COMPOSE_PROJECT_NAME"], "gateway")
    assert (same.id, same.pid) == (gateway.id, gateway.pid)
