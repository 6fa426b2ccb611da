"""`imagectl prove --faults`: all that holds passes while parts are killed; a bug fails its line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.checkout import Bug, with_bugs
from tests.imagectl import imagectl
from tests.local_stack import LocalStack, running_stack

FORGOTTEN_FAILURE = Bug(
    "consumers/image-process-consumer/process.py",
    "            self._results.save_failure(event.tenant_id, event.job_id, failure)\n",
    "",
)
MD5_KEY = Bug(
    "pipeline/ids.py",
    "return hashlib.sha256(data).hexdigest()",
    "return 2 * hashlib.md5(data).hexdigest()",
)
COMMIT_BEFORE_WORK = Bug(
    "pipeline/consuming/progress.py",
    "return next(iter(self._finished), self._next)",
    "return self._next",
)
# What does not hold is waited for so long; what holds comes earlier, on a busy machine too.
PATIENCE_SECONDS = "60"

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def buggy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack of a build with three bugs."""
    bugs = (FORGOTTEN_FAILURE, MD5_KEY, COMMIT_BEFORE_WORK)
    root = with_bugs(tmp_path_factory.mktemp("buggy"), *bugs)
    with running_stack(tmp_path_factory.mktemp("buggy-state"), root=root) as running:
        yield running


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """What the proof told."""
    told: list[dict[str, Any]] = json.loads(done.stdout)["lines"]
    return told


def guarantees(told: list[dict[str, Any]], verdict: str) -> set[int]:
    return {line["guarantee"] for line in told if line["verdict"] == verdict}


def reasons(told: list[dict[str, Any]], guarantee: int) -> str:
    """All that was wrong about one guarantee."""
    return " ".join(
        reason for line in told if line["guarantee"] == guarantee for reason in line["wrong"]
    )


def test_every_guarantee_holds_while_every_part_is_killed(stack: LocalStack) -> None:
    patience = ("--timeout", "300")

    done = imagectl(stack, "prove", "--images", "20", "--faults", *patience, "--json", seconds=1500)

    told = lines(done)
    assert (guarantees(told, "fail"), done.returncode) == (set(), 0), done.stdout
    assert guarantees(told, "not seen") == {8}
    assert told[0]["figures"]["accepted"] == 20
    assert len(told[0]["figures"]["killed"].split(", ")) == 9


def test_a_bug_fails_its_own_line(buggy: LocalStack) -> None:
    patience = ("--timeout", PATIENCE_SECONDS)

    done = imagectl(buggy, "prove", "--images", "20", *patience, "--json", seconds=900)

    told = lines(done)
    assert (guarantees(told, "fail"), done.returncode) == ({2, 4}, 1), done.stdout
    assert "its id is not the SHA-256 of its bytes" in reasons(told, 2)
    assert "accepted and not ended" in reasons(told, 4)


def test_a_commit_before_the_work_is_found_by_killing_the_consumer(buggy: LocalStack) -> None:
    patience = ("--timeout", PATIENCE_SECONDS)

    done = imagectl(buggy, "prove", "--faults", "--guarantee", "3", *patience, "--json")

    told = lines(done)
    assert (guarantees(told, "fail"), done.returncode) == ({3}, 1), done.stdout
    assert "accepted and not ended" in reasons(told, 3)
