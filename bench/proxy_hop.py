"""What the hop through the provider costs: requests/s, p50 and CPU, through it and its peers.

`python -m bench.proxy_hop [--seconds 3] [--rounds 3]` prints a table. The peers are the obvious
ways to write a proxy: Flask and waitress with one kept-alive connection a thread, by requests and
by http.client alone. The function behind all is one small process that answers what it was sent.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from local.machine.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
BODIES = (1_000, 200_000)
CLIENTS = (1, 16)
AUTH = ("admin", "bench")
FUNCTION = """
import asyncio, os
from aiohttp import web

async def answer(request):
    return web.Response(body=await request.read())

app = web.Application(client_max_size=1 << 24)
app.router.add_route("*", "/{path:.*}", answer)
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=None, print=None)
"""
PEER = """
import os, threading
from http.client import HTTPConnection
from flask import Flask, Response, request
from waitress import serve

app, local = Flask(__name__), threading.local()

@app.route("/function/echo", methods=["GET", "POST"])
def forward():
    if not hasattr(local, "connection"):
        local.connection = HTTPConnection("127.0.0.1", int(os.environ["UPSTREAM_PORT"]))
    local.connection.request(request.method, "/", request.get_data())
    answer = local.connection.getresponse()
    return Response(answer.read(), answer.status)

serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=16)
"""


REQUESTS = """
import os, threading, requests
from flask import Flask, Response, request
from waitress import serve

app, local, url = Flask(__name__), threading.local(), "http://127.0.0.1:%s/"

@app.route("/function/echo", methods=["GET", "POST"])
def forward():
    if not hasattr(local, "session"):
        local.session = requests.Session()
    answer = local.session.request(request.method, url % os.environ["UPSTREAM_PORT"],
                                   data=request.get_data())
    return Response(answer.content, answer.status_code)

serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=16)
"""
PEERS = {"Flask + waitress + requests": REQUESTS, "Flask + waitress + http.client": PEER}


@contextmanager
def process(command: list[str], **env: str) -> Iterator[int]:
    """Run a process; yield its pid."""
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def wait_for(port: int, path: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"port {port} does not answer {path}")


def deploy(provider_port: int, folder: Path) -> int:
    """Deploy the function and return the port of its replica."""
    built = folder / "build" / "echo"
    built.mkdir(parents=True)
    (built / "server.py").write_text(FUNCTION)
    request = {"service": "echo", "image": "echo", "envProcess": "python server.py"}
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    url = f"http://127.0.0.1:{provider_port}/system/functions"
    passwords.add_password(None, url, *AUTH)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
    opener.open(urllib.request.Request(url, json.dumps(request).encode(), method="POST")).close()
    wait_for(provider_port, "/function/echo")
    run_file = json.loads((folder / "state" / "run" / "echo-1.json").read_text())
    return int(run_file["ports"]["http"])


def client(port: int, path: str, body: bytes, seconds: float) -> list[float]:
    """Send one request after the other; return how long each took."""
    connection = HTTPConnection("127.0.0.1", port)
    took, ends_at = [], time.perf_counter() + seconds
    while (begun_at := time.perf_counter()) < ends_at:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        if answer.status != 200 or len(answer.read()) != len(body):
            raise RuntimeError(f"{path} answered {answer.status}")
        took.append(time.perf_counter() - begun_at)
    connection.close()
    return took


def cpu_seconds(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    port: int, path: str, pid: int | None, size: int, clients: int, seconds: float
) -> tuple[float, float, float]:
    """Return requests/s, the median in milliseconds, and the hop's CPU in ms a request."""
    before = cpu_seconds(pid)
    work = [(port, path, b"x" * size, seconds)] * clients
    with multiprocessing.Pool(clients) as pool:
        took = [each for one in pool.starmap(client, work) for each in one]
    cpu = (cpu_seconds(pid) - before) * 1000 / len(took)
    return len(took) / seconds, statistics.median(took) * 1000, cpu


def table(arms: dict[str, tuple[int, str, int | None]], seconds: float, rounds: int) -> None:
    print("| body | clients | arm | requests/s | p50 ms | CPU ms | provider, times this |")
    print("|---|---|---|---|---|---|---|")
    for size in BODIES:
        for clients in CLIENTS:
            found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in arms}
            for _ in range(rounds):  # interleaved, so that all meet the same machine
                for name, arm in arms.items():
                    found[name].append(measure(*arm, size, clients, seconds))
            for name, rows in found.items():
                rate, p50, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
                pairs = zip(found["provider"], rows, strict=True)
                times = statistics.median(ours[0] / theirs[0] for ours, theirs in pairs)
                cells = f"{rate:.0f} | {p50:.2f} | {cpu:.3f} | {times:.2f}"
                print(f"| {size} | {clients} | {name} | {cells} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.proxy_hop", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        secrets = folder / "state" / "secrets"
        secrets.mkdir(parents=True)
        for key, value in zip(("user", "password"), AUTH, strict=True):
            (secrets / f"basic-auth-{key}").write_text(value)
        ours = free_port()
        folders = {"STATE_DIR": str(folder / "state"), "BUILD_DIR": str(folder / "build")}
        provider = process(
            [sys.executable, "-m", "local.provider"], PROVIDER_PORT=str(ours), **folders
        )
        pid = stack.enter_context(provider)
        wait_for(ours, "/healthz")
        direct = deploy(ours, folder)
        arms: dict[str, tuple[int, str, int | None]] = {
            "no proxy": (direct, "/", None),
            "provider": (ours, "/function/echo", pid),
        }
        for name, code in PEERS.items():
            ports = {"PORT": str(peer := free_port()), "UPSTREAM_PORT": str(direct)}
            command = [sys.executable, "-W", "ignore", "-c", code]
            peer_pid = stack.enter_context(process(command, **ports))
            wait_for(peer, "/function/echo")
            arms[name] = (peer, "/function/echo", peer_pid)
        table(arms, options.seconds, options.rounds)


if __name__ == "__main__":
    main()
