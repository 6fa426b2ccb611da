"""`make up`, `down` and `clean` at the same time, and in terminals that are closed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_stack import LocalStack, unstarted_stack
from tests.stack import ROOT, until

# Seconds of work, and then it is up: Kafka formats its folder, starts, gets its topics.
SLOW = ("up", "--only", "topics")
QUICK = ("up", "--only", "redis")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalStack]:
    with unstarted_stack(tmp_path / "state") as unstarted:
        yield unstarted


# The foreground of a terminal: what is told when that is closed, also when the tests themselves
# run under nohup, whose ignored SIGHUP would be inherited.
_IN_TERMINAL = """
import fcntl, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from local.services.__main__ import main
sys.exit(main())
"""


def _begin(stack: LocalStack, *words: str, terminal: int | None = None) -> subprocess.Popen[str]:
    """Run a command of make in a session of its own, with a terminal if one is given."""
    in_terminal = terminal is not None
    command = ("-c", _IN_TERMINAL) if in_terminal else ("-m", "local.services")
    return subprocess.Popen(
        [sys.executable, *command, *words],
        cwd=ROOT,
        env=stack.environment,
        stdin=terminal if in_terminal else subprocess.DEVNULL,
        stdout=terminal if in_terminal else subprocess.PIPE,
        stderr=terminal if in_terminal else subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _is_at_work(stack: LocalStack) -> bool:
    return (stack.state_dir / "run" / "supervisor.json").exists()


def _belongs(folder: Path, stack: LocalStack) -> bool:
    try:
        return f"STATE_DIR={stack.state_dir}\0".encode() in (folder / "environ").read_bytes()
    except OSError:
        return False


def _processes(stack: LocalStack) -> list[str]:
    """Whatever was told this STATE_DIR and lives, whoever its parent and its session are."""
    folders = [folder for folder in Path("/proc").iterdir() if folder.name.isdecimal()]
    return [folder.name for folder in folders if _belongs(folder, stack)]


def _is_gone(stack: LocalStack) -> bool:
    return not _processes(stack) and list((stack.state_dir / "run").iterdir()) == []


def test_a_second_up_is_refused_and_names_the_first(stack: LocalStack) -> None:
    with _begin(stack, *SLOW) as first:
        until(lambda: _is_at_work(stack))

        second = stack.command(*QUICK)
        status = stack.command("status")
        printed, _ = first.communicate()

    assert (second.returncode, first.returncode) == (1, 0), printed
    assert f"`make up` is at work on this stack already: process {first.pid}" in second.stderr
    assert f"`make up`, process {first.pid}, is at work" in status.stdout


def test_down_ends_an_up_that_is_at_work(stack: LocalStack) -> None:
    with _begin(stack, *SLOW) as started:
        until(lambda: _is_at_work(stack))

        stopped = stack.command("down")
        _, errors = started.communicate()

    assert stopped.returncode == 0, stopped.stderr
    assert f"process {started.pid} is told to stop" in stopped.stdout
    assert (started.returncode, errors.strip()) == (130, "Interrupted.")
    assert _is_gone(stack)


def test_clean_ends_an_up_that_is_at_work_and_removes_all(stack: LocalStack) -> None:
    with _begin(stack, *SLOW) as started:
        until(lambda: _is_at_work(stack))

        cleaned = stack.command("clean", "--yes")
        started.communicate()

    assert cleaned.returncode == 0, cleaned.stderr
    assert _processes(stack) == []
    assert not stack.state_dir.exists()


def test_an_up_during_a_down_waits_and_starts_anew(stack: LocalStack) -> None:
    assert stack.command(*SLOW).returncode == 0
    before = stack.pid("kafka")

    with _begin(stack, "down") as first, _begin(stack, "down") as second:
        until(lambda: "stopping" in stack.command("status").stdout or first.poll() is not None)
        started = stack.command(*QUICK)
        outputs = [process.communicate() for process in (first, second)]

    assert started.returncode == 0, started.stderr
    assert [process.returncode for process in (first, second)] == [0, 0], outputs
    assert "Traceback" not in str(outputs)
    assert not Path(f"/proc/{before}").exists()


def test_a_terminal_closed_after_up_leaves_the_stack_running(stack: LocalStack) -> None:
    keeper, terminal = os.openpty()
    with _begin(stack, *QUICK, terminal=terminal) as started:
        os.close(terminal)
        assert started.wait(60) == 0
        os.close(keeper)

    assert stack.command("status").returncode == 0


def test_a_terminal_closed_during_up_stops_what_it_started(stack: LocalStack) -> None:
    keeper, terminal = os.openpty()
    with _begin(stack, *SLOW, terminal=terminal) as started:
        os.close(terminal)
        until(lambda: _is_at_work(stack))
        os.close(keeper)
        assert started.wait(60) == 130

    assert _is_gone(stack)
    assert stack.command(*QUICK).returncode == 0


def test_an_up_that_was_killed_is_gone_on_with(stack: LocalStack) -> None:
    with _begin(stack, *SLOW) as killed:
        until(lambda: _is_at_work(stack))
        killed.send_signal(signal.SIGKILL)
        killed.communicate()

    again = stack.command(*SLOW)

    assert again.returncode == 0, again.stderr
    assert stack.command("status").returncode == 0
