"""Under load, through kills, over many deployments: no request fails, and nothing is left.

LOAD_SECONDS, LOAD_REDEPLOYS and LOAD_CYCLES make the runs longer.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event

import pytest

from local.machine import ports, processes
from tests.provider import (
    REQUEST_SECONDS,
    ROLLOUT_SECONDS,
    TINY,
    TINY_PROCESS,
    Provider,
    eventually,
    running_provider,
)

SECONDS = float(os.environ.get("LOAD_SECONDS", "15"))
REDEPLOYS = int(os.environ.get("LOAD_REDEPLOYS", "3"))
CYCLES = int(os.environ.get("LOAD_CYCLES", "50"))
CLIENTS = 50
# Of a provider without replicas: its own, and asyncio's pool, which grows up to this at any time.
MOST_THREADS = 1 + min(32, (os.cpu_count() or 1) + 4)
# /wait answers when a file appears; a child that nobody waits for is started at import.
HANDLER = """
    import subprocess, time
    from pathlib import Path

    child = subprocess.Popen(["sleep", "600"], start_new_session=True)

    def handle(event, context):
        if event.path == "/wait":
            path = Path(event.body.decode())
            path.with_suffix(".begun").touch()
            while not path.exists():
                time.sleep(0.01)
        return str(child.pid)
"""

pytestmark = pytest.mark.timeout(600 + SECONDS + 4 * CYCLES)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as one:
        yield one


def call_until(is_over: Event, port: int) -> Counter[str]:
    """Be one client: what was answered, and how often."""
    seen: Counter[str] = Counter()
    connection = HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
    while not is_over.is_set():
        try:
            connection.request("POST", "/function/echo", b"x")
            answer = connection.getresponse()
            answer.read()
            seen[str(answer.status)] += 1
        except (OSError, HTTPException) as error:
            seen[repr(error)] += 1
            connection.close()
    connection.close()
    return seen


def test_no_request_fails_while_the_function_is_redeployed_and_scaled(provider: Provider) -> None:
    request = {"envVars": {"MAX_INFLIGHT": str(CLIENTS)}}
    handler = "def handle(event, context): return 'ok'"
    provider.deploy("echo", handler, **request)
    is_over, ends_at = Event(), time.monotonic() + SECONDS
    with ThreadPoolExecutor(CLIENTS) as threads:
        clients = [threads.submit(call_until, is_over, provider.port) for _ in range(CLIENTS)]
        try:
            for replicas in (1, 4, 1):
                scaling = {"serviceName": "echo", "replicas": replicas}
                provider.system("POST", "/scale-function/echo", scaling)
                eventually(lambda: provider.is_settled("echo"), ROLLOUT_SECONDS)
            for _ in range(REDEPLOYS):
                provider.deploy("echo", handler, **request)
            eventually(lambda: time.monotonic() > ends_at, SECONDS + 5)
        finally:
            is_over.set()

    seen = sum((client.result() for client in clients), Counter())
    print(f"{seen['200']} requests answered")
    assert set(seen) == {"200"}


def is_answering(provider: Provider, path: str = "echo") -> bool:
    return provider.invoke(path).status_code == 200


def test_every_replica_may_be_killed_at_once(provider: Provider) -> None:
    provider.deploy("echo", HANDLER, labels={"com.openfaas.scale.min": "3"})
    before = [run["pid"] for run in provider.replicas("echo").values()]

    for pid in before:
        os.kill(pid, signal.SIGKILL)
    begun_at = time.monotonic()

    eventually(lambda: is_answering(provider))
    print(f"answering again after {time.monotonic() - begun_at:.2f} s")
    eventually(lambda: provider.is_settled("echo"))
    assert not any(map(processes.start_time, before))
    assert len(provider.replicas("echo")) == 3


def files(provider: Provider) -> list[str]:
    """Return every file and folder of the provider's state."""
    # Not rglob, which fails when a folder is removed under it.
    walked = os.walk(provider.state_dir)
    return sorted(f"{top}/{name}" for top, folders, names in walked for name in (*folders, *names))


def listens(provider: Provider, port: int) -> bool:
    """Tell whether somebody listens there who was started by this provider, or by its replicas."""
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), REQUEST_SECONDS).close()
        owner = re.search(r"by process (\d+) ", "".join(ports.taken({"found": port})))
        told = Path(f"/proc/{owner[1] if owner else 0}/environ").read_bytes()
        return os.fsencode(provider.state_dir) in told
    return False


def test_killed_provider_leaves_neither_process_nor_file_behind(provider: Provider) -> None:
    provider.deploy("echo", HANDLER, labels={"com.openfaas.scale.min": "2"})
    runs = provider.replicas("echo").values()
    before = [*(run["pid"] for run in runs), int(provider.invoke("echo").text)]
    listened = {run["ports"]["http"] for run in runs}
    kept = files(provider)

    provider.kill()
    begun_at = time.monotonic()
    provider.start()

    eventually(lambda: is_answering(provider))
    print(f"answering again after {time.monotonic() - begun_at:.2f} s")
    eventually(lambda: provider.is_settled("echo"))
    eventually(lambda: not any(map(processes.start_time, before)))
    now = {run["ports"]["http"] for run in provider.replicas("echo").values()}
    # Another provider on this machine may have been given such a port meanwhile.
    assert not [port for port in listened - now if listens(provider, port)]
    eventually(lambda: files(provider) == kept)


def test_replica_told_to_stop_answers_what_it_has_and_what_arrives(
    provider: Provider, tmp_path: Path
) -> None:
    provider.deploy("echo", HANDLER)
    (run,) = provider.replicas("echo").values()

    may_end = tmp_path / "may-end"
    with ThreadPoolExecutor() as threads, provider.waiting("echo/wait", may_end) as waiting:
        os.kill(run["pid"], signal.SIGTERM)
        arriving = [threads.submit(provider.invoke, "echo") for _ in range(5)]

    assert [answer.result().status_code for answer in (waiting, *arriving)] == [200] * 6


def used(provider: Provider) -> tuple[int, int, list[str]]:
    """Return the provider's descriptors and threads, and every file of its state."""
    assert provider.process
    proc = Path(f"/proc/{provider.process.pid}")
    assert provider.is_up()  # so that our own connection is always counted
    counts = [len(list((proc / name).iterdir())) for name in ("fd", "task")]
    return counts[0], counts[1], files(provider)


def resident_megabytes(provider: Provider) -> float:
    assert provider.process
    pages = int(Path(f"/proc/{provider.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def test_deploying_and_removing_leaves_nothing_behind(provider: Provider) -> None:
    provider.build("tiny", "", server=TINY)
    request = {"image": "tiny", "envProcess": TINY_PROCESS}

    def cycle(name: str) -> None:
        answer = provider.system("POST", "/functions", {"service": name, **request})
        assert answer.status_code == 202
        assert provider.invoke(name, "GET").text == "ok"
        provider.system("DELETE", "/functions", {"functionName": name})

    for number in range(5):
        cycle(f"warm-{number}")
    eventually(lambda: not provider.replicas("warm"))
    before = eventually(lambda: seen if "warm" not in str((seen := used(provider))[2]) else None)
    assert before
    memory = resident_megabytes(provider)
    for number in range(CYCLES):
        cycle(f"cycle-{number}")

    def nothing_is_left() -> bool:
        descriptors, threads, found = used(provider)
        return descriptors <= before[0] and threads <= MOST_THREADS and found == before[2]

    eventually(nothing_is_left)
    print(f"{memory:.1f} MB before, {resident_megabytes(provider):.1f} MB after {CYCLES} cycles")
