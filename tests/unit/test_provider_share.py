"""A replica goes first while it uses no more of the processors than its function asks for."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.machine import processes
from local.provider.limits import priority
from local.provider.limits.share import Share

ASKED = 0.1
BACK = priority.nice_value(ASKED)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may let a process go first")


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """A real process; what it has used is what the test says."""

    def __init__(self, pid: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pid, self.used, self.looks = pid, 0.0, 0
        self.clock = Clock()
        monkeypatch.setattr(processes, "used_seconds", self._look)
        self.share = Share(ASKED, pid, self.clock)

    def _look(self, pid: int) -> float:
        self.looks += pid == self.pid
        return self.used

    def works(self, seconds: float, used: float) -> int:
        """Let time pass and processors be used; tell the nice value then."""
        self.clock.now += seconds
        self.used += used
        self.share.look()
        return os.getpriority(os.PRIO_PROCESS, self.pid)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    words = [*priority.prefix(BACK), "sleep", "600"]
    with subprocess.Popen(words, start_new_session=True) as process:
        try:
            while Path(f"/proc/{process.pid}/comm").read_text() != "sleep\n":
                os.sched_yield()
            yield Worker(process.pid, monkeypatch)
        finally:
            process.kill()


def _group(pid: int) -> str:
    path = Path(f"/proc/{pid}/autogroup")
    return path.read_text().split("nice ")[1].strip() if path.exists() else ""


@as_root
def test_one_that_uses_little_goes_first_once_it_has_saved(worker: Worker) -> None:
    assert worker.works(0.5, 0.0) == BACK
    assert worker.works(0.6, 0.0) == 0
    assert _group(worker.pid) in ("", "0")
    assert worker.works(1.0, 0.1) == 0  # all that it asks for, and no more


@as_root
def test_one_that_uses_more_than_it_asks_for_stands_back(worker: Worker) -> None:
    worker.works(10.0, 0.0)

    assert worker.works(0.2, 0.2) == 0  # saved up
    assert worker.works(0.2, 0.2) == BACK
    assert _group(worker.pid) in ("", str(BACK))
    assert worker.works(0.9, 0.0) == BACK
    assert worker.works(2.2, 0.0) == 0


@as_root
def test_what_a_start_takes_is_forgotten_soon(worker: Worker) -> None:
    assert worker.works(3.0, 60.0) == BACK
    assert worker.works(3.1, 0.0) == 0


@as_root
def test_every_thread_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import threading, time;"
        "[threading.Thread(target=time.sleep, args=(600,), daemon=True).start() for _ in range(3)];"
        "print('ready', flush=True); time.sleep(600)"
    )
    words = [*priority.prefix(BACK), "python3", "-c", program]
    with subprocess.Popen(words, start_new_session=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            worker = Worker(process.pid, monkeypatch)
            worker.works(10.0, 0.0)
            threads = [int(name) for name in os.listdir(f"/proc/{process.pid}/task")]
            assert len(threads) == 4
            assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads} == {0}
        finally:
            process.kill()


def test_a_look_for_each_request_is_one_in_a_while(worker: Worker) -> None:
    for _ in range(100):
        worker.works(0.01, 0.0)

    assert 5 <= worker.looks <= 10


def test_a_change_that_the_kernel_puts_off_is_tried_again(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    answers = iter([False, True])

    def change(_: int, value: int) -> bool:
        taken.append(value)
        return next(answers)

    monkeypatch.setattr(priority, "change", change)
    for _ in range(3):
        worker.works(10.0, 0.0)

    assert taken == [0, 0]


@as_root
def test_one_whose_children_work_stands_back(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*priority.prefix(BACK), "sh", "-c", "sleep 600 & echo ready; wait"]
    with subprocess.Popen(words, start_new_session=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            worker = Worker(process.pid, monkeypatch)
            assert worker.works(10.0, 0.0) == BACK
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_process_that_has_ended_is_no_error() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()

    assert priority.change(process.pid, 5)
    assert processes.used_seconds(process.pid) == 0


def test_what_a_process_and_its_ended_children_used_is_counted() -> None:
    burn = "import subprocess, sys, time\nwhile time.process_time() < 0.2: pass\n"
    program = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {burn!r}], check=True)
print("ready", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        ["python3", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"

        assert processes.used_seconds(process.pid) > 0.15
        process.communicate()
