"""What hangups, kill -9, full disks and floods of output do to the provider."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local.machine import processes
from local.provider.replicas import replica_log
from tests.disk import small_disk
from tests.provider import Provider, eventually, running_provider

PARENT = """
    import subprocess

    def handle(event, context):
        return str(subprocess.Popen(["sleep", "60"]).pid)
"""
# Ends with the path, so that a test sees when all before it was read.
TALKER = """
    def handle(event, context):
        for _ in range(int(event.body)):
            print("x" * 999)
        print(event.path)
        return "said"
"""

# Takes its port late: another may have it by then.
LATE = """
    import pathlib, time

    while not pathlib.Path({gate!r}).exists():
        time.sleep(0.02)

    def handle(event, context):
        return "mine"
"""


class _Stranger(BaseHTTPRequestHandler):
    """Answers everything, as a replica of somebody else's function does."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"theirs")

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""


@contextmanager
def _stranger_on(port: int) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", port), _Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as started:
        yield started


def _pids(provider: Provider, name: str) -> list[int]:
    return [replica["pid"] for replica in provider.replicas(name).values()]


def _port(provider: Provider) -> int:
    (replica,) = provider.replicas("late").values()
    return int(replica["ports"]["http"])


def _last_line(provider: Provider, name: str) -> str:
    answer = provider.system("GET", f"/logs?name={name}&tail=1")
    return str(json.loads(answer.text)["text"]) if answer.text else ""


def test_a_hangup_ends_neither_provider_nor_replica(provider: Provider) -> None:
    provider.deploy("talker", TALKER)
    pids = _pids(provider, "talker")
    assert provider.process

    provider.process.send_signal(signal.SIGHUP)

    assert provider.invoke("talker", data="1").text == "said"
    assert provider.process.poll() is None
    assert _pids(provider, "talker") == pids


def test_what_replicas_started_ends_when_a_killed_provider_is_back(provider: Provider) -> None:
    provider.deploy("parent", PARENT)
    child = int(provider.invoke("parent").text)
    assert processes.start_time(child)

    provider.kill()
    provider.start()

    eventually(lambda: processes.start_time(child) is None)


def test_whoever_takes_a_replicas_port_gets_none_of_its_requests(
    provider: Provider, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    provider.build("late", LATE.format(gate=str(gate)))
    request = {"service": "late", "image": "late:latest", "envProcess": "python index.py"}
    assert provider.system("POST", "/functions", request).status_code == 202
    eventually(lambda: provider.replicas("late"))
    port = _port(provider)

    with _stranger_on(port):
        eventually(lambda: provider.replicas("late") and _port(provider) != port)
        assert provider.describe("late")["availableReplicas"] == 0
        gate.touch()
        eventually(lambda: provider.is_settled("late"))

        assert provider.invoke("late").text == "mine"
    log = (provider.folder / "provider.log").read_text()
    assert f"port {port} is taken by process" in log


def test_a_flood_of_output_stays_within_bounds(provider: Provider) -> None:
    provider.deploy("talker", TALKER)

    for time in ("first", "second", "last"):
        assert provider.invoke(f"talker/{time}", data="10000").text == "said"

    eventually(lambda: _last_line(provider, "talker") == "/last")
    logs = provider.state_dir / "logs"
    sizes = [path.stat().st_size for path in logs.glob("talker-1.log*")]
    # One write beyond the bound: a chunk and a line begun before it, each line with its stamp.
    assert max(sizes) <= replica_log.MAX_BYTES + 3 * replica_log.CHUNK_BYTES
    assert len(sizes) == 2


def test_a_full_disk_loses_lines_and_no_answer(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "state" / "logs", kilobytes=64) as disk,
        running_provider(tmp_path) as provider,
    ):
        provider.deploy("talker", TALKER)
        disk.fill()

        with provider.follow("talker") as following:
            # More than a pipe holds: a replica whose output nobody reads would hang.
            assert provider.invoke("talker/full", data="500").text == "said"
            lines = (json.loads(raw)["text"] for raw in following.iter_lines() if raw)
            # What is read later would fill the room that is made.
            assert "/full" in lines
        disk.make_room()
        assert provider.invoke("talker/room", data="1").text == "said"

        log = disk.folder / "talker-1.log"
        eventually(lambda: log.read_text().endswith("/room\n"))
