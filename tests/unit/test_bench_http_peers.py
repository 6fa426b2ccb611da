"""The servers that we are compared with: how they are asked, judged and ended."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.checks import BenchFailed
from bench.comparison import http_peers
from bench.comparison.guests import guest
from bench.load.closed_loop import Target, closed_loop
from bench.scenarios import p14_http_peers
from bench.stacks.processes import descendants, leads_session
from local.machine import processes
from tests.stack import ROOT, until

LABELS = [{"label": "cat", "score": 0.9}]
# It starts a child in a session of its own, as some servers start their workers, and waits.
FAMILY = """
import subprocess, time
subprocess.Popen(["sleep", "300"], start_new_session=True)
time.sleep(300)
"""


@contextmanager
def server(*statuses: int) -> Iterator[Target]:
    """Answer with these, the last one from then on."""
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status = left.pop(0) if len(left) > 1 else left[0]
            body = json.dumps({"labels": LABELS}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield Target([http.server_port], "/")
        finally:
            http.shutdown()
            thread.join()


def image(number: int) -> bytes:
    return f"image {number}".encode()


def leader_of(pid: int) -> int | None:
    """The first descendant that has a session of its own."""
    return next(filter(leads_session, descendants(pid)), None)


def test_each_client_asks_at_least_once() -> None:
    with server(200) as target:
        served = closed_loop(target, image, seconds=0.0, clients=3)

    assert served.labels == [LABELS] * 3
    assert len(served.seconds) == 3


def test_an_image_that_is_refused_is_sent_again() -> None:
    with server(429, 503, 200) as target:
        served = closed_loop(target, image, seconds=0.0, clients=1)

    assert (served.refused, served.labels) == (2, [LABELS])


def test_an_error_is_no_answer() -> None:
    with server(500) as target, pytest.raises(BenchFailed, match="answered 500"):
        closed_loop(target, image, seconds=0.0, clients=1)


def test_a_guest_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FAMILY]
    with guest(tmp_path / "run", "peer", command, {}, tmp_path) as running:
        child = until(lambda: leader_of(running.process.pid))
        running.settle()
        recorded = processes.recorded(tmp_path / "run")

    assert {name: each.pid for name, each in recorded.items()} == {
        "peer": running.process.pid,
        "peer-1": child,
    }
    assert processes.recorded(tmp_path / "run") == {}
    assert processes.start_time(child) is None


def test_a_guest_that_ended_tells_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no model')"]
    with guest(tmp_path / "run", "peer", command, {}, tmp_path) as running:
        running.process.wait(60)

        with pytest.raises(BenchFailed, match="peer ended with status 1: no model"):
            running.check()


def test_mlserver_is_told_to_listen_on_this_machine_alone(tmp_path: Path) -> None:
    http_peers.mlserver_folder(tmp_path, {}, tuned=False)

    assert json.loads((tmp_path / "settings.json").read_text())["host"] == "127.0.0.1"


def test_ours_is_judged_by_the_best_server_of_the_run() -> None:
    names = [*http_peers.PEERS, *map("{}, defaults".format, http_peers.PEERS)]
    rates = dict(zip(names, (90, 100, 80, 50, 500, 50), strict=True))
    rates |= {"ours": 110, "ours, provider": 100, "ours, provider and Nginx": 90}

    [ratio, provider, gateway, *_] = p14_http_peers._judge(
        {name: [{"perSecond": float(rate)}] for name, rate in rates.items()}
    )

    assert (ratio.measured, ratio.held, ratio.note) == (1.1, True, "the best is BentoML")
    assert (provider.measured, gateway.measured) == (1.0, 0.9)


def test_what_peers_do_imports_nothing_that_their_environment_lacks() -> None:
    paths = [str(ROOT), str(ROOT / "functions" / "image-classifier")]
    code = f"import sys; sys.path[:0] = {paths!r}; import bench.peers.work; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert {"redis", "flask", "waitress"} & set(done.stdout.split()) == set()
