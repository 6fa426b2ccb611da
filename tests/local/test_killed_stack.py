"""kill -9 of any part of a whole stack, or of all: functions answer again, nothing is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests import pictures
from tests.disk import SmallDisk, small_disk
from tests.local_stack import LocalStack, running_stack
from tests.stack import until

REPLICAS = "image-*-[0-9].json"


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


def _names(stack: LocalStack, pattern: str = "*.json") -> list[str]:
    return [path.stem for path in (stack.state_dir / "run").glob(pattern)]


def _kill(stack: LocalStack, *names: str) -> set[int]:
    pids = {stack.pid(name) for name in names}
    for pid in pids:
        # A replica ends with its provider, be that killed before it.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pids


def _is_up(stack: LocalStack) -> bool:
    """Whether every part does its work: a picture goes all the way, and /readyz agrees."""
    try:
        picture = pictures.with_nonce(pictures.jpeg(), os.urandom(8))
        labels = stack.request("POST", "/function/image-classifier", data=picture)
        uploaded = stack.upload(picture, Prefer="wait=5")
        return {labels.status_code, uploaded.status_code, stack.get("/readyz").status_code} == {200}
    except requests.ConnectionError:
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


@pytest.mark.parametrize("pattern", ["image-classifier-*.json", REPLICAS, "provider.json"])
def test_functions_answer_again_by_themselves(stack: LocalStack, pattern: str) -> None:
    killed = _kill(stack, *_names(stack, pattern))

    until(lambda: _is_up(stack))

    assert killed
    assert not killed & _processes(stack)


def test_readiness_comes_back_with_a_killed_kafka(stack: LocalStack) -> None:
    _kill(stack, "kafka")

    until(lambda: stack.get("/readyz").status_code == 503)
    until(lambda: _is_up(stack), seconds=60)


def test_a_full_disk_of_logs_stops_nobody(stack: LocalStack, disk: SmallDisk) -> None:
    before = {name: stack.pid(name) for name in _names(stack)}

    disk.fill()
    until(lambda: _is_up(stack))
    status = stack.command("status")
    assert disk.is_full()
    disk.make_room()
    sizes = {path: path.stat().st_size for path in disk.folder.glob("*.log")}
    until(lambda: _is_up(stack))

    assert status.returncode == 0, status.stdout
    assert {name: stack.pid(name) for name in before} == before
    grown = {path.stem for path, size in sizes.items() if path.stat().st_size > size}
    assert {"nginx", "image-process-consumer"} <= grown


def test_up_starts_anew_after_the_supervisor_was_killed(stack: LocalStack) -> None:
    before = _processes(stack)

    _kill(stack, "supervisor")
    status = stack.command("status")
    started = stack.command("up")

    assert (status.returncode, status.stderr) == (1, "")
    assert "`make up` starts" in status.stdout
    assert started.returncode == 0, started.stderr
    until(lambda: _is_up(stack))
    assert not before & _processes(stack)


def test_nothing_is_left_of_a_killed_stack_that_is_stopped(stack: LocalStack) -> None:
    _kill(stack, *_names(stack))

    stopped = stack.command("down")

    assert stopped.returncode == 0, stopped.stderr
    assert _processes(stack) == set()
    assert list((stack.state_dir / "run").iterdir()) == []
    assert list((stack.state_dir / "provider" / "replicas").iterdir()) == []
    # Nothing listens where the stack did.
    assert stack.command("up", "--only", "redis", "minio", "nginx", "provider").returncode == 0
