"""The supervisor on real services: what dies comes back, and what ends leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.machine import processes
from tests.local_stack import LocalStack, unstarted_stack
from tests.stack import until

SERVICES = ("redis", "minio", "nginx")


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[LocalStack]:
    """A stack that is not running; whatever a test starts is stopped."""
    with unstarted_stack(tmp_path / "state") as stack:
        yield stack


@pytest.fixture
def services(stopped: LocalStack) -> LocalStack:
    """Three services that start within a second."""
    started = stopped.command("up", "--only", *SERVICES)
    assert started.returncode == 0, started.stderr
    return stopped


def _sessions(stack: LocalStack) -> set[int]:
    return {stack.pid(name) for name in SERVICES}


def _members(sessions: set[int]) -> list[str]:
    """The processes that live in these sessions: a service and its children."""
    stats = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                stats.append((folder / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue
    fields = [(stat, stat.rpartition(")")[2].split()) for stat in stats]
    return [stat for stat, each in fields if int(each[3]) in sessions and each[0] != "Z"]


def _healthy(stack: LocalStack) -> bool:
    return stack.command("status").returncode == 0


def _restarts(stack: LocalStack, name: str) -> str:
    """What the status table says of one service: name, pid, memory and its unit, restarts."""
    rows = map(str.split, stack.command("status").stdout.splitlines())
    return next((row[4] for row in rows if row[:1] == [name]), "")


def _kill_all(pids: list[int]) -> None:
    """End the supervisor, the first of them, and its services at once; return when it is gone."""
    started = processes.start_time(pids[0])
    os.kill(pids[0], signal.SIGSTOP)  # it must not see the others end
    for pid in reversed(pids):
        os.kill(pid, signal.SIGKILL)
    until(lambda: processes.start_time(pids[0]) != started)


@pytest.mark.parametrize("name", SERVICES)
def test_a_killed_service_comes_back_as_another_process(services: LocalStack, name: str) -> None:
    killed = services.pid(name)

    os.kill(killed, signal.SIGKILL)

    def restarted() -> bool:
        return services.pids(name) not in ([], [killed]) and _healthy(services)

    until(restarted)
    assert _restarts(services, name) == "1"


def test_nothing_is_left_when_the_supervisor_is_killed(services: LocalStack) -> None:
    sessions = _sessions(services)

    os.kill(services.pid("supervisor"), signal.SIGKILL)

    until(lambda: not _members(sessions))
    assert services.command("status").returncode == 1


def test_up_after_a_killed_supervisor_starts_anew(services: LocalStack) -> None:
    before = _sessions(services)
    _kill_all([services.pid("supervisor")])

    started = services.command("up", "--only", *SERVICES)

    assert started.returncode == 0, started.stderr
    until(lambda: _healthy(services))
    assert not before & _sessions(services)


def test_up_after_all_was_killed_at_once_ends_what_is_left(services: LocalStack) -> None:
    sessions = _sessions(services)
    _kill_all([services.pid(name) for name in ("supervisor", *SERVICES)])

    started = services.command("up", "--only", *SERVICES)

    assert started.returncode == 0, started.stderr
    assert not _members(sessions)
    until(lambda: _healthy(services))


def test_down_stops_in_reverse_order_and_leaves_nothing(services: LocalStack) -> None:
    sessions = _sessions(services)

    stopped = services.command("down")

    lines = [line.strip() for line in stopped.stdout.splitlines()]
    assert [line for line in lines if line.endswith(": stopped")] == [
        f"{name}: stopped" for name in reversed(SERVICES)
    ]
    until(lambda: not _members(sessions))
    assert list((services.state_dir / "run").iterdir()) == []


def test_a_frozen_service_is_told_unhealthy_and_not_restarted(services: LocalStack) -> None:
    pid = services.pid("redis")

    with services.frozen("redis"):
        status = services.command("status")

    assert status.returncode == 1
    assert "does not answer" in status.stdout
    until(lambda: _healthy(services))
    assert services.pid("redis") == pid


def test_a_taken_port_is_told_before_anything_starts(stopped: LocalStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        refused = replace(stopped, ports={**stopped.ports, "MINIO": port}).command(
            "up", "--only", *SERVICES
        )

    assert refused.returncode == 1
    assert f"MINIO_PORT {port} is taken by process {os.getpid()}" in refused.stderr
    assert not (stopped.state_dir / "run").exists()


def test_a_service_that_cannot_start_is_told_with_its_log_and_all_is_stopped(
    stopped: LocalStack,
) -> None:
    data = stopped.state_dir / "data" / "minio"
    data.mkdir(parents=True)
    (data / ".minio.sys").write_text("not a folder")

    failed = stopped.command("up", "--only", *SERVICES)

    assert failed.returncode == 1
    assert "minio: ends as often as it is started" in failed.stderr
    assert "make logs s=minio" in failed.stderr
    assert list((stopped.state_dir / "run").iterdir()) == []


def test_a_model_folder_that_does_not_exist_is_named(stopped: LocalStack) -> None:
    refused = stopped.command("up", "--model-dir", "no/such/model")

    assert refused.returncode == 1
    assert "no/such/model" in refused.stderr
    assert not stopped.state_dir.exists()


def test_clean_asks_first_and_keeps_the_data_without_an_answer(services: LocalStack) -> None:
    refused = services.command("clean")
    assert refused.returncode == 1
    until(lambda: _healthy(services))

    agreed = services.command("clean", "--yes")
    assert agreed.returncode == 0
    assert not services.state_dir.exists()
