"""`make up`, `down` and `clean` at the same time, and in terminals that are closed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path

import pytest

from local.machine import processes
from local.services.commands import kafka_classes
from local.services.fetch import debian, kafka_jars
from local.services.settings import Stack
from tests.local_stack import LocalStack, made_shared, unstarted_stack
from tests.stack import ROOT, until

# What takes Kafka, which does not start before the test opens the gate.
SLOW = ("up", "--only", "topics")
QUICK = ("up", "--only", "redis")
PATIENCE_SECONDS = 120
# Waits, then becomes the real one. It is one process: nothing that it began is left to be ended.
_JAVA = """\
#!{python} -SE
import os, sys, time
while not os.path.exists({gate!r}):
    time.sleep(0.02)
os.execv({java!r}, [{java!r}, *sys.argv[1:]])
"""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The file without which Kafka, a user of its own, does not start: `make up` works so long."""
    return made_shared(tmp_path / "state") / "gate"


@pytest.fixture
def stack(tmp_path: Path, gate: Path) -> Iterator[LocalStack]:
    usual = Stack.from_env({})
    kafka_jars.fetch(usual)
    kafka_classes.prepare(usual)  # or the JVM with a gate would be asked to, and wait
    java = debian.java()
    ours = tmp_path / "java" / "bin" / "java"
    ours.parent.mkdir(parents=True)
    ours.write_text(_JAVA.format(python=sys.executable, gate=str(gate), java=str(java)))
    ours.chmod(0o755)
    shutil.copy(java.parents[1] / "release", ours.parents[1])
    settings = {"PATH": f"{ours.parent}:{os.environ['PATH']}"}
    with unstarted_stack(tmp_path / "state", settings) as unstarted:
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


@contextmanager
def _begun(
    stack: LocalStack, *words: str, terminal: FileIO | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a command of make in a session of its own, with a terminal if one is given."""
    command = ("-c", _IN_TERMINAL) if terminal else ("-m", "local.services")
    with subprocess.Popen(
        [sys.executable, *command, *words],
        cwd=ROOT,
        env=stack.environment,
        stdin=terminal or subprocess.DEVNULL,
        stdout=terminal or subprocess.PIPE,
        stderr=terminal or subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


@contextmanager
def _terminal() -> Iterator[tuple[FileIO, FileIO]]:
    """What keeps a terminal open, and the terminal."""
    keeper, terminal = os.openpty()
    with FileIO(keeper, "r+") as kept, FileIO(terminal, "r+") as opened:
        yield kept, opened


def _is_at_work(stack: LocalStack) -> bool:
    return (stack.state_dir / "run" / "supervisor.json").exists()


def _stands_in_line(process: subprocess.Popen[str], stack: LocalStack) -> bool:
    """Whether a command has the turn, or waits for it."""
    lock = os.path.realpath(stack.state_dir / "down.lock")
    links = Path(f"/proc/{process.pid}/fd").iterdir()
    return lock in [os.path.realpath(link) for link in links]


def _has_turn(process: subprocess.Popen[str], stack: LocalStack) -> bool:
    return (stack.state_dir / "down.lock").read_text() == str(process.pid)


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


def test_a_second_up_is_refused_and_names_the_first(stack: LocalStack, gate: Path) -> None:
    with _begun(stack, *SLOW) as first:
        until(lambda: _is_at_work(stack))

        second = stack.command(*QUICK)
        status = stack.command("status")
        gate.touch()
        printed, _ = first.communicate()

    assert (second.returncode, first.returncode) == (1, 0), printed
    assert f"`make up` is at work on this stack already: process {first.pid}" in second.stderr
    assert f"`make up`, process {first.pid}, is at work" in status.stdout


def test_down_ends_an_up_that_is_at_work(stack: LocalStack) -> None:
    with _begun(stack, *SLOW) as started:
        until(lambda: _is_at_work(stack))

        stopped = stack.command("down")
        _, errors = started.communicate()

    assert stopped.returncode == 0, stopped.stderr
    assert f"process {started.pid} is told to stop" in stopped.stdout
    assert (started.returncode, errors.strip()) == (130, "Interrupted.")
    assert _is_gone(stack)


def test_clean_ends_an_up_that_is_at_work_and_removes_all(stack: LocalStack) -> None:
    with _begun(stack, *SLOW) as started:
        until(lambda: _is_at_work(stack))

        cleaned = stack.command("clean", "--yes")
        started.communicate()

    assert cleaned.returncode == 0, cleaned.stderr
    assert _processes(stack) == []
    assert not stack.state_dir.exists()


def test_two_downs_at_once_take_turns(stack: LocalStack) -> None:
    assert stack.command(*QUICK).returncode == 0

    with ExitStack() as begun:
        with stack.frozen("supervisor"):
            both = [begun.enter_context(_begun(stack, "down")) for _ in range(2)]
            until(lambda: all(_stands_in_line(each, stack) for each in both))
        outputs = [each.communicate() for each in both]

    assert [each.returncode for each in both] == [0, 0], outputs
    assert "Traceback" not in str(outputs)
    assert _is_gone(stack)


def test_an_up_during_a_down_waits_and_starts_anew(stack: LocalStack, gate: Path) -> None:
    gate.touch()
    assert stack.command(*SLOW).returncode == 0
    before = stack.pid("kafka")

    with ExitStack() as begun:
        with stack.frozen("supervisor"):
            down = begun.enter_context(_begun(stack, "down"))
            until(lambda: _has_turn(down, stack))
            started = begun.enter_context(_begun(stack, *QUICK))
            until(lambda: _stands_in_line(started, stack))
        outputs = [each.communicate() for each in (down, started)]

    assert [down.returncode, started.returncode] == [0, 0], outputs
    assert "Traceback" not in str(outputs)
    assert processes.start_time(before) is None
    assert stack.pids("redis")


def test_a_terminal_closed_after_up_leaves_the_stack_running(stack: LocalStack) -> None:
    with _terminal() as (keeper, terminal):
        with _begun(stack, *QUICK, terminal=terminal) as started:
            terminal.close()
            assert started.wait(PATIENCE_SECONDS) == 0
        before = stack.pids("supervisor"), stack.pids("redis")
        keeper.close()

    until(lambda: stack.command("status").returncode == 0)
    assert (stack.pids("supervisor"), stack.pids("redis")) == before


def test_a_terminal_closed_during_up_stops_what_it_started(stack: LocalStack) -> None:
    with _terminal() as (keeper, terminal), _begun(stack, *SLOW, terminal=terminal) as started:
        terminal.close()
        until(lambda: _is_at_work(stack))
        keeper.close()
        assert started.wait(PATIENCE_SECONDS) == 130

    assert _is_gone(stack)
    assert stack.command(*QUICK).returncode == 0


def test_an_up_that_was_killed_is_gone_on_with(stack: LocalStack, gate: Path) -> None:
    with _begun(stack, *SLOW) as killed:
        until(lambda: _is_at_work(stack))
        killed.send_signal(signal.SIGKILL)
        killed.communicate()

    gate.touch()
    again = stack.command(*SLOW)

    assert again.returncode == 0, again.stderr
    until(lambda: stack.command("status").returncode == 0)
