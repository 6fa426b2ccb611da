"""A stack that speaks TLS: `make up TLS=1`, what it prints, imagectl, and the page."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.browser import running_browser, visit
from tests.imagectl import imagectl
from tests.local_stack import START_SECONDS, LocalStack, unstarted_stack
from tests.pages import indented
from tests.stack import ROOT

PAGE = ROOT / "docs" / "tls.md"
EXAMPLE = ROOT / "models" / "demonstration" / "example.png"

pytestmark = pytest.mark.timeout(START_SECONDS + 300)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    folder = tmp_path_factory.mktemp("secure")
    with unstarted_stack(folder, {"TLS": "1", "RECONCILE_EVERY_SECONDS": "0"}) as stack:
        yield stack


@pytest.fixture(scope="module")
def printed(secure: LocalStack) -> str:
    """What `make up` says at its end."""
    started = types(secure, "make up TLS=1")
    assert started.returncode == 0, f"{started.stdout}\n{started.stderr}"
    return started.stdout


def types(stack: LocalStack, line: str) -> subprocess.CompletedProcess[str]:
    """Run one line in a shell at the repository's root; only its own words speak of TLS."""
    line = line.replace("127.0.0.1:8080", stack.url.removeprefix("https://"))
    line = line.replace(".local/", f"{stack.state_dir}/")
    environment = {name: text for name, text in stack.environment.items() if name != "TLS"}
    return subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True,
        timeout=START_SECONDS,
    )  # fmt: skip


def test_the_printed_line_sends_a_picture(secure: LocalStack, printed: str) -> None:
    (line,) = re.findall(r"Try it +(curl .+)", printed)

    done = types(secure, line)

    assert '"status": "accepted"' in done.stdout.replace('":"', '": "'), done.stderr
    assert f"{secure.state_dir}/tls/ca.pem" in printed


@pytest.mark.parametrize("line", indented(PAGE, "curl ") + indented(PAGE, "openssl "))
def test_the_page_s_commands_work(secure: LocalStack, printed: str, line: str) -> None:
    assert printed

    done = types(secure, line)

    assert done.returncode == 0, done.stderr
    assert "accepted" in done.stdout or "Verify return code: 0 (ok)" in done.stdout


def test_what_was_told_is_remembered(secure: LocalStack, printed: str) -> None:
    assert printed
    again, status = types(secure, "make up"), types(secure, "make status")

    assert "running already" in again.stdout, again.stderr
    assert secure.url in again.stdout
    assert status.returncode == 0, status.stdout
    assert re.search(r"^certificates .* healthy$", status.stdout, re.MULTILINE)


def test_what_runs_does_not_change_without_being_stopped(secure: LocalStack, printed: str) -> None:
    assert printed

    refused = types(secure, "make up TLS=0")

    assert refused.returncode != 0
    assert "make down" in refused.stderr
    assert requests.get(f"{secure.url}/healthz", verify=secure.authority, timeout=60).ok


def test_imagectl_trusts_it_by_itself(secure: LocalStack, printed: str) -> None:
    assert printed
    told = {name: text for name, text in os.environ.items() if name != "TLS_CA_FILE"}
    assert "TLS_CA_FILE" not in told

    examined, proved = (
        imagectl(secure, "doctor"),
        imagectl(secure, "prove", "--images", "2", "--guarantee", "1"),
    )

    assert re.search("certificates.*chain, name and dates are good", examined.stdout, re.DOTALL), (
        examined.stdout
    )
    assert proved.returncode == 0, proved.stderr


def test_the_page_labels_a_picture(secure: LocalStack, printed: str, tmp_path: Path) -> None:
    assert printed
    # What a person does by hand; the chain itself is looked at by curl and openssl above.
    options = {"ignore_https_errors": True}

    with running_browser() as browser, visit(browser, secure.url, **options) as visited:
        visited.sign_in(secure.api_key)
        visited.choose(EXAMPLE)
        visited.ended(1)

        assert visited.complaints == []
        assert {each.url.split(":", 1)[0] for each in visited.requests} <= {"https", "blob"}
