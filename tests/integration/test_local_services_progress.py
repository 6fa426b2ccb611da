"""What a person sees while a long step runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from local.machine import processes
from local.services import progress
from tests.stack import until


def test_a_step_says_its_beginning_and_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    progress.run("Tea", [sys.executable, "-c", "print('hot')"])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  Tea …"
    assert lines[-1].startswith("  Tea: done in ")


def test_a_long_step_repeats_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    say, repeated = progress.say, tmp_path / "repeated"

    def say_and_note(text: str) -> None:
        say(text)
        if ": half" in text:
            repeated.touch()

    monkeypatch.setattr(progress, "say", say_and_note)
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.05)
    # It lasts until that is said, a minute at most.
    step = 'echo half; for each in $(seq 600); do [ -e "$0" ] && exit; sleep 0.1; done'

    progress.run("Tea", ["sh", "-c", step, repeated])

    assert ": half" in capsys.readouterr().out


def test_a_failed_step_shows_the_end_of_what_it_printed() -> None:
    code = "for n in range(100): print('line', n)\nraise SystemExit(3)"

    with pytest.raises(progress.StepFailed) as failed:
        progress.run("Tea", [sys.executable, "-c", code])

    assert "Tea: " in str(failed.value)
    assert "ended with status 3" in str(failed.value)
    assert str(failed.value).endswith("line 99")
    assert "line 80\n" not in str(failed.value)


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(progress.StepFailed, match="cannot run /no/such/program"):
        progress.run("Tea", ["/no/such/program"])


def test_an_answer_is_kept_apart_from_progress() -> None:
    code = "import sys; print('working', file=sys.stderr); print('answer')"

    with tempfile.TemporaryFile("w+") as answer:
        progress.run("Tea", [sys.executable, "-c", code], answer=answer)
        answer.seek(0)
        text = answer.read()

    assert text == "answer\n"


_STEP = "from local.services import progress; progress.run('Tea', ['sh', '-c', 'echo $$ >&2; {}'])"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_command_ends_with_the_program_that_waits_for_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    pid_file = tmp_path / "pid"
    code = _STEP.format(f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 60")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as waiting:
        try:
            until(pid_file.exists)
            started = processes.start_time(int(pid_file.read_text()))

            waiting.send_signal(number)
            waiting.wait(30)
        finally:
            waiting.kill()

    assert started
    until(lambda: processes.start_time(int(pid_file.read_text())) is None)


def test_a_terminal_that_is_closed_ends_no_step() -> None:
    code = (
        "import os; from local.services import progress; progress.run('Tea', ['true']); os._exit(7)"
    )
    keeper, terminal = os.openpty()
    with subprocess.Popen([sys.executable, "-c", code], stdout=terminal) as process:
        os.close(terminal)
        os.close(keeper)

    assert process.returncode == 7
