"""What a person sees while a long step runs."""

from __future__ import annotations

import sys
import tempfile

import pytest

from local.services import progress


def test_a_step_says_its_beginning_and_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    progress.run("Tea", [sys.executable, "-c", "print('hot')"])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  Tea …"
    assert lines[-1].startswith("  Tea: done in ")


def test_a_long_step_repeats_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.05)
    code = "import time; print('half', flush=True); time.sleep(0.4)"

    progress.run("Tea", [sys.executable, "-c", code])

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
