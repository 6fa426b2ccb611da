"""kill -9 of any part of a whole stack, or of all: functions answer again, nothing is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

import pytest
import requests

from local.machine import processes
from local.machine.processes import Process
from tests import pictures
from tests.disk import SmallDisk, small_disk
from tests.local_stack import LocalStack, running_stack
from tests.stack import until

REPLICAS = "image-*-[0-9]"
# What writes to its log while a picture goes all the way.
BUSY = {"nginx", "image-process-consumer"}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    """Where the logs of this module's stack lie."""
    with small_disk(tmp_path_factory.mktemp("killed") / "state" / "logs", kilobytes=4096) as made:
        yield made


@pytest.fixture(scope="module")
def stack(disk: SmallDisk) -> Iterator[LocalStack]:
    """A whole stack for this module alone: it does not survive it."""
    with running_stack(disk.folder.parent) as running:
        yield running


def _named(stack: LocalStack, pattern: str) -> list[Process]:
    recorded = processes.recorded(stack.state_dir / "run")
    return [process for name, process in recorded.items() if fnmatch(name, pattern)]


def _kill(stack: LocalStack, pattern: str) -> set[int]:
    """End processes as kill -9 does; none of them is left when this returns."""
    killed = _named(stack, pattern)
    for process in killed:
        # A replica ends with its provider, be that killed before it.
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    until(lambda: not any(process.is_alive() for process in killed))
    return {process.pid for process in killed}


def _is_up(stack: LocalStack) -> bool:
    """Whether every part does its work: a picture goes all the way, and /readyz agrees."""
    try:
        picture = pictures.with_nonce(pictures.jpeg(), os.urandom(8))
        labels = stack.request("POST", "/function/image-classifier", data=picture)
        uploaded = stack.upload(picture, Prefer="wait=20")
        return {labels.status_code, uploaded.status_code, stack.get("/readyz").status_code} == {200}
    except requests.RequestException:
        return False


def _processes(stack: LocalStack) -> set[int]:
    """Whatever lives in this STATE_DIR: by its environment, command line or working folder."""
    marks = (f"STATE_DIR={stack.state_dir}\0".encode(), f"{stack.state_dir}/".encode())
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                told = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if any(mark in told for mark in marks):
                found.add(int(folder.name))
    return found


@pytest.mark.parametrize("pattern", ["image-classifier-*", REPLICAS, "provider"])
def test_functions_answer_again_by_themselves(stack: LocalStack, pattern: str) -> None:
    killed = _kill(stack, pattern)

    until(lambda: _is_up(stack))

    assert killed
    assert not killed & _processes(stack)


def test_readiness_comes_back_with_a_killed_kafka(stack: LocalStack) -> None:
    with stack.frozen("supervisor"):  # else Kafka may be back before anybody has asked
        assert _kill(stack, "kafka")
        until(lambda: stack.get("/readyz").status_code == 503)

    until(lambda: _is_up(stack))


def test_a_full_disk_of_logs_stops_nobody(stack: LocalStack, disk: SmallDisk) -> None:
    before = _named(stack, "*")

    with disk.filled():
        until(lambda: _is_up(stack))
        until(lambda: stack.command("status").returncode == 0)
        until(disk.is_full)
    sizes = {path: path.stat().st_size for path in disk.folder.glob("*.log")}

    def grown() -> set[str]:
        return {path.stem for path, size in sizes.items() if path.stat().st_size > size}

    # A line may be written after the answer that it is about.
    until(lambda: _is_up(stack) and grown() >= BUSY)
    assert _named(stack, "*") == before


def test_up_starts_anew_after_the_supervisor_was_killed(stack: LocalStack) -> None:
    before = _processes(stack)

    assert _kill(stack, "supervisor")
    status = stack.command("status")
    started = stack.command("up")

    assert (status.returncode, status.stderr) == (1, "")
    assert "`make up` starts" in status.stdout
    assert started.returncode == 0, started.stderr
    until(lambda: _is_up(stack))
    assert not before & _processes(stack)


def test_nothing_is_left_of_a_killed_stack_that_is_stopped(stack: LocalStack) -> None:
    assert _kill(stack, "*")

    stopped = stack.command("down")

    assert stopped.returncode == 0, stopped.stderr
    # What was started in the very moment of the kill was told to end, and does.
    until(lambda: _processes(stack) == set())
    assert list((stack.state_dir / "run").iterdir()) == []
    assert list((stack.state_dir / "provider" / "replicas").iterdir()) == []
    # Nothing listens where the stack did.
    assert stack.command("up", "--only", "redis", "minio", "nginx", "provider").returncode == 0
