"""`make up` sends a picture until it has its label, however busy the machine is meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from local.services.commands import example
from local.services.progress import StepFailed
from local.services.settings import Stack

_COMPLETED = {"status": "completed", "result": {"labels": [{"label": "cat", "score": 0.9}]}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example, "_PAUSE_SECONDS", 0.01)


@contextmanager
def _gateway(folder: Path, *answers: tuple[int, object]) -> Iterator[Stack]:
    """Serve these answers one after the other, the last one again and again."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = left.pop(0) if len(left) > 1 else left[0]
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            stack = Stack.from_env(
                {"STATE_DIR": str(folder), "GATEWAY_PORT": str(server.server_port)}
            )
            stack.api_key_file.write_text("key", encoding="utf-8")
            yield stack
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [202, 429, 502, 503, 504])
def test_it_is_sent_again_while_the_stack_has_no_time_for_it(tmp_path: Path, status: int) -> None:
    refused = (status, {"status": "pending"})
    with _gateway(tmp_path, refused, refused, (200, _COMPLETED)) as stack:
        assert example.classify(stack) == _COMPLETED


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, {"detail": "Kafka did not acknowledge"}, "answered with 503: .*not acknowledge"),
        (202, {"status": "pending"}, "got no label: .*pending"),
    ],
)
def test_after_some_time_the_last_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: object, said: str
) -> None:
    monkeypatch.setattr(example, "_PATIENCE_SECONDS", 0.1)
    with (
        _gateway(tmp_path, (status, body)) as stack,
        pytest.raises(StepFailed, match=said),
    ):
        example.classify(stack)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [(500, {"detail": "a fault"}, "500"), (200, {"status": "failed"}, "got no label: .*failed")],
)
def test_what_trying_again_cannot_mend_is_told_at_once(
    tmp_path: Path, status: int, body: object, said: str
) -> None:
    with (
        _gateway(tmp_path, (status, body), (200, _COMPLETED)) as stack,
        pytest.raises(StepFailed, match=said),
    ):
        example.classify(stack)


def test_a_key_that_was_revoked_is_no_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with _gateway(tmp_path, (401, {"found": "a key that was revoked"})) as stack:
        assert example.classify(stack) is None

    assert "No picture was tried: a key that was revoked" in capsys.readouterr().out
