"""What the kernel tells of processes and ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.machine import ports, processes
from local.machine.processes import Process


@contextmanager
def _running(*command: str) -> Iterator[Process]:
    with subprocess.Popen(command, start_new_session=True) as child:
        try:
            yield Process("child", child.pid, processes.start_time(child.pid) or 0)
        finally:
            child.kill()


@contextmanager
def _family() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A shell that leads a session, and the pid of its child; what is left of them is ended."""
    with subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo $!; wait"],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    ) as shell:
        try:
            assert shell.stdout is not None
            yield shell, int(shell.stdout.readline())
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)


def test_a_recorded_process_is_found_while_it_lives(tmp_path: Path) -> None:
    with _running("sleep", "60") as process:
        processes.record(tmp_path, process)

        assert processes.recorded(tmp_path) == {"child": process}
        os.kill(process.pid, signal.SIGKILL)
        processes.end(process, grace_seconds=5.0)

    assert processes.recorded(tmp_path) == {}


def test_a_pid_that_was_given_to_another_process_is_not_ours() -> None:
    with _running("sleep", "60") as process:
        earlier = replace(process, start_time=process.start_time - 1)

        assert not earlier.is_alive()
        earlier.signal(signal.SIGKILL)
        assert process.is_alive()


def test_children_of_a_killed_process_are_its_survivors(tmp_path: Path) -> None:
    with _family() as (shell, child):
        leader = Process("shell", shell.pid, processes.start_time(shell.pid) or 0)
        processes.record(tmp_path, leader)
        shell.kill()
        shell.wait()

        [survivor] = processes.survivors(tmp_path)
        processes.end(survivor, grace_seconds=5.0)

    assert survivor.pid == child
    assert processes.survivors(tmp_path) == []


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_jump_of_the_wall_clock_hides_no_survivor(tmp_path: Path, hours: int) -> None:
    with _running("sleep", "60") as process:
        jumped = datetime.now(UTC) - timedelta(hours=hours)
        processes.record(tmp_path, replace(process, started_at=jumped.isoformat()))

        assert [survivor.pid for survivor in processes.survivors(tmp_path)] == [process.pid]


def test_what_was_recorded_before_the_last_boot_is_not_ours(tmp_path: Path) -> None:
    with _running("sleep", "60") as process:
        processes.record(tmp_path, replace(process, boot_id="another"))

        assert processes.survivors(tmp_path) == []


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    code = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()

        start_time = processes.start_time(child.pid)
        processes.end(Process("stubborn", child.pid, start_time or 0), grace_seconds=0.2)

        assert child.wait() == -signal.SIGKILL


def test_memory_counts_the_children_in_the_session() -> None:
    with _family() as (shell, child):
        both = processes.memory_bytes(shell.pid)
        os.kill(child, signal.SIGKILL)
        shell.wait()

    assert both > 0
    assert processes.memory_bytes(shell.pid) == 0


def test_a_taken_port_names_the_process_that_has_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        [told] = ports.taken({"redis": port})

    assert told.startswith(f"REDIS_PORT {port} is taken by process {os.getpid()} (")


def test_a_free_port_is_not_taken() -> None:
    with socket.socket() as free:
        # Kept from others, and not from a server: that is what the option says.
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", 0))

        assert ports.taken({"redis": free.getsockname()[1]}) == []
