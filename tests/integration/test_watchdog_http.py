"""The watchdog's mode http: one process serves, on a port of its own choice."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from local.machine import ports, processes
from tests.ports import free_ports
from tests.provider import eventually
from tests.watchdog import MAX_BODY_BYTES, script, serving, started

SERVER = """
    import json, os, pathlib, socket, sys
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    folder = pathlib.Path(os.environ["HOME"])

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if os.environ.get("six") else socket.AF_INET

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/wait":
                (folder / "begun").touch()
                while not (folder / "may-end").exists():
                    pass
            if self.path == "/drop":
                with (folder / "dropped").open("a") as dropped:
                    dropped.write("x")
                self.close_connection = True
                return
            if self.path == "/break-off":
                print("KeyError: 'x'\\nbye", file=sys.stderr, flush=True)
                os._exit(7)
            told = {"path": self.path, "method": self.command, "body": len(body),
                    "headers": dict(self.headers)}
            answer = body if self.path == "/echo" else json.dumps(told).encode()
            self.send_response(418 if self.path == "/teapot" else 200)
            self.send_header("X-Own", "yes")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        do_POST = do_PUT = do_HEAD = do_DELETE = do_GET

    (folder / "pid").write_text(str(os.getpid()))
    print("it serves", flush=True)
    Server(("::" if os.environ.get("six") else "0.0.0.0", int(os.environ.get("at", 5000))),
        Answer).serve_forever()
"""


@pytest.mark.parametrize("env", [{}, {"six": "1"}], ids=["IPv4", "IPv6"])
def test_requests_and_answers_pass_as_they_are(tmp_path: Path, env: dict[str, str]) -> None:
    with serving(tmp_path, "http", *script(tmp_path, SERVER), **env) as one:
        told = one.ask("/a%20b//c?x=%2F&y", "PUT", data=b"abc", headers={"X-My": "1", "TE": "gzip"})
        large = one.ask("/echo", data=b"x" * MAX_BODY_BYTES)
        pieces = one.ask("/echo", data=iter([b"x"] * 10))
        head = one.ask("/", "HEAD")
        teapot = one.ask("/teapot", "GET")
        too_large = one.ask("/echo", data=b"x" * (MAX_BODY_BYTES + 1))
        pid = int((tmp_path / "pid").read_text())
        taken = ports.listened_to([pid])

    seen = told.json()
    assert (seen["path"], seen["method"], seen["body"]) == ("/a%20b//c?x=%2F&y", "PUT", 3)
    assert seen["headers"]["X-My"] == "1"
    assert "TE" not in seen["headers"]
    assert len(large.content) == MAX_BODY_BYTES
    assert pieces.content == b"x" * 10
    assert (head.status_code, head.content, head.headers["X-Own"]) == (200, b"", "yes")
    assert (teapot.status_code, too_large.status_code) == (418, 413)
    assert float(told.headers["X-Duration-Seconds"]) > 0
    assert taken
    assert 5000 not in taken
    assert "stdout: it serves" in one.log


def test_two_with_one_fixed_port_serve_side_by_side(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    process = script(tmp_path, SERVER)
    with serving(folders[0], "http", *process) as a, serving(folders[1], "http", *process) as b:
        assert [one.ask("/x").json()["path"] for one in (a, b)] == ["/x", "/x"]


def test_it_is_unhealthy_until_the_process_listens(tmp_path: Path) -> None:
    late = f"import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n{SERVER}"
    with started(tmp_path, "http", *script(tmp_path, textwrap_safe(late))) as one:
        eventually(lambda: one.health() == 503)
        early = one.ask("/x")
        (tmp_path / "go").touch()
        eventually(lambda: one.health() == 200)

        assert early.status_code == 503
        assert one.ask("/x").status_code == 200


def textwrap_safe(code: str) -> str:
    """Take the indentation from all lines but those that have none."""
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())


def test_overdue_request_is_504_and_the_process_stays(tmp_path: Path) -> None:
    with serving(tmp_path, "http", *script(tmp_path, SERVER), exec_timeout="3s") as one:
        overdue = one.ask("/wait")
        (tmp_path / "may-end").touch()

        assert overdue.status_code == 504
        assert overdue.json()["detail"] == "the function took longer than 3 s"
        assert one.ask("/x").status_code == 200


def test_process_that_ends_ends_the_watchdog_and_says_how(tmp_path: Path) -> None:
    with serving(tmp_path, "http", *script(tmp_path, SERVER)) as one:
        try:
            status = one.ask("/break-off").status_code
        except requests.ConnectionError:
            status = 502
        assert status == 502
        assert one.wait() == 1

    assert one.log.splitlines()[-1] == "the process ended with status 7: KeyError: 'x'"


def test_request_that_came_by_a_new_connection_is_not_sent_twice(tmp_path: Path) -> None:
    with serving(tmp_path, "http", *script(tmp_path, SERVER)) as one:
        answer = one.ask("/drop", data=b"x")

    assert answer.status_code == 502
    assert (tmp_path / "dropped").read_text() == "x"


def test_request_under_way_is_answered_and_the_process_ended(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "http", *script(tmp_path, SERVER), write_timeout="100s") as one,
        ThreadPoolExecutor(1) as thread,
    ):
        waiting = thread.submit(one.ask, "/wait")
        eventually((tmp_path / "begun").exists)
        pid = int((tmp_path / "pid").read_text())
        one.terminate()
        eventually(lambda: requests.get(f"{one.url}/_/health", timeout=60).status_code == 503)
        (tmp_path / "may-end").touch()

        assert waiting.result().json()["path"] == "/wait"
        assert one.wait() == 0
        assert processes.start_time(pid) is None


def test_killed_watchdog_takes_its_process_along(tmp_path: Path) -> None:
    with serving(tmp_path, "http", *script(tmp_path, SERVER)) as one:
        pid = int((tmp_path / "pid").read_text())
        one.process.send_signal(signal.SIGKILL)
        eventually(lambda: processes.start_time(pid) is None)


def test_process_on_another_port_is_told_of(tmp_path: Path) -> None:
    (other,) = free_ports(1)
    with started(tmp_path, "http", *script(tmp_path, SERVER), at=str(other)) as one:
        eventually(lambda: f"the process takes port {other}; requests go to 5000" in one.log)

        assert one.health() == 503
