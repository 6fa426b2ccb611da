"""How a function of any kind is probed and called: health, timeouts, headers."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.provider import PASSWORD, USER, Provider, eventually, running_provider

# Notes which paths were asked; says what it was told; answers 500 at a path until a file is there.
WATCHED = """
    import json, os, pathlib, time
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    NOTES, GATE = pathlib.Path(os.environ["NOTES"]), pathlib.Path(os.environ.get("GATE", "/"))

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            with NOTES.open("a") as notes:
                notes.write(self.path + "\\n")
            if self.path == "/slow":
                time.sleep(60)
            if self.path == "/elsewhere":
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.1:1/nobody")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if self.path == "/pieces":
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"first,")
                while not GATE.is_file():
                    time.sleep(0.01)
                self.wfile.write(b"last")
                return
            is_ok = self.path not in ("/_/ready", "/warm") or GATE.is_file()
            body = json.dumps(dict(self.headers)).encode()
            self.send_response(200 if is_ok else 500)
            self.send_header("Content-Length", str(len(body)))
            if self.path == "/timed":
                self.send_header("X-Duration-Seconds", "1.5")
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *words):
            pass

    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""
PROCESS = "python -S -E function/server.py"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("provider")
    with running_provider(folder, MAX_FUNCTION_SECONDS="300") as one:
        one.build("watched", "", server=WATCHED)
        yield one


def deploy(provider: Provider, notes: Path, **change: Any) -> None:
    env = {"NOTES": str(notes), **change.pop("envVars", {})}
    provider.deploy("watched", envProcess=PROCESS, envVars=env, **change)


def asked(notes: Path) -> set[str]:
    return set(notes.read_text().split()) if notes.exists() else set()


def test_a_function_that_knows_no_readiness_is_not_asked_for_it(
    provider: Provider, tmp_path: Path
) -> None:
    deploy(provider, tmp_path / "notes")

    assert asked(tmp_path / "notes") == {"/_/health"}
    assert provider.invoke("watched/x", "GET").ok


def test_annotated_paths_alone_are_asked(provider: Provider, tmp_path: Path) -> None:
    notes, gate = tmp_path / "notes", tmp_path / "gate"
    annotations = {
        "com.openfaas.health.http.path": "/alive",
        "com.openfaas.ready.http.path": "/warm",
        "com.openfaas.ready.http.periodSeconds": "200ms",
    }
    request = {
        "service": "watched",
        "image": "watched",
        "envProcess": PROCESS,
        "envVars": {"NOTES": str(notes), "GATE": str(gate)},
        "annotations": annotations,
    }
    provider.system("DELETE", "/functions", {"functionName": "watched"})
    eventually(lambda: provider.system("POST", "/functions", request).status_code == 202)

    eventually(lambda: asked(notes) >= {"/alive", "/warm"})
    before = provider.describe("watched")["availableReplicas"]
    gate.touch()
    eventually(lambda: provider.describe("watched")["availableReplicas"] == 1)

    assert before == 0
    assert asked(notes) == {"/alive", "/warm"}


def test_nothing_is_asked_before_the_initial_delay(provider: Provider, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    provider.build("patient", "", server=WATCHED)
    request = {
        "service": "patient",
        "image": "patient",
        "envProcess": PROCESS,
        "envVars": {"NOTES": str(notes)},
        "annotations": {"com.openfaas.health.http.initialDelay": "10m"},
    }
    provider.system("POST", "/functions", request)

    def is_served() -> bool:
        for run in provider.replicas("patient").values():
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"http://127.0.0.1:{run['ports']['http']}/mine", timeout=60).ok
        return False

    eventually(is_served)

    assert provider.describe("patient")["availableReplicas"] == 0
    assert asked(notes) == {"/mine"}
    provider.system("DELETE", "/functions", {"functionName": "patient"})


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"exec_timeout": "300ms"}, "0.3"),
        ({"exec_timeout": "1h", "write_timeout": "0.5"}, "0.5"),
        ({"read_timeout": "400ms"}, "0.4"),
    ],
)
def test_a_call_ends_when_the_function_says_and_names_the_number(
    provider: Provider, tmp_path: Path, variables: dict[str, str], seconds: str
) -> None:
    deploy(provider, tmp_path / "notes", envVars=variables)

    answer = provider.invoke("watched/slow", "GET")

    assert answer.status_code == 504
    assert answer.json()["type"] == "urn:image-pipeline:problem:function-too-slow"
    assert f"took longer than the {seconds} s that it may" in answer.json()["detail"]


def test_a_function_that_allows_itself_too_much_is_refused(provider: Provider) -> None:
    request = {"service": "new", "image": "watched", "envVars": {"exec_timeout": "5m1s"}}

    refused = provider.system("POST", "/functions", request)

    assert refused.status_code == 400
    assert "301 s a call (exec_timeout=5m1s)" in refused.text
    assert "300 s at most" in refused.text
    assert "MAX_FUNCTION_SECONDS" in refused.text


def test_function_and_caller_are_told_when_a_request_came(
    provider: Provider, tmp_path: Path
) -> None:
    deploy(provider, tmp_path / "notes")
    before = time.time_ns()

    answer = provider.invoke("watched/x", headers={"X-Start-Time": "1", "X-Call-Id": "mine"})
    seen = {name.lower(): value for name, value in json.loads(answer.text).items()}

    assert before <= int(answer.headers["X-Start-Time"]) <= time.time_ns()
    assert seen["x-start-time"] == answer.headers["X-Start-Time"]
    assert re.fullmatch(r"\d+\.\d{6}", answer.headers["X-Duration-Seconds"])
    assert seen["x-call-id"] == answer.headers["X-Call-Id"] == "mine"
    assert seen["x-forwarded-host"] == f"127.0.0.1:{provider.port}"
    assert seen["x-forwarded-for"] == "127.0.0.1"


def test_what_a_watchdog_says_of_the_duration_stays(provider: Provider, tmp_path: Path) -> None:
    deploy(provider, tmp_path / "notes")

    answer = provider.invoke("watched/timed", "GET")

    assert answer.headers["X-Duration-Seconds"] == "1.5"


def test_a_redirect_is_passed_on(provider: Provider, tmp_path: Path) -> None:
    deploy(provider, tmp_path / "notes")

    answer = provider.invoke("watched/elsewhere", "GET", allow_redirects=False)

    assert (answer.status_code, answer.headers["Location"]) == (302, "http://127.0.0.1:1/nobody")


def test_an_answer_is_passed_on_as_it_comes(provider: Provider, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    deploy(provider, tmp_path / "notes", envVars={"GATE": str(gate)})

    with provider.invoke("watched/pieces", "GET", stream=True) as answer:
        pieces = answer.iter_content(chunk_size=None)
        first = next(pieces)
        gate.touch()
        rest = b"".join(pieces)

    assert (first, rest) == (b"first,", b"last")


def test_the_login_of_system_reaches_no_function(provider: Provider, tmp_path: Path) -> None:
    deploy(provider, tmp_path / "notes")

    seen = provider.invoke("watched/x", auth=(USER, PASSWORD)).json()

    assert "authorization" not in {name.lower() for name in seen}
