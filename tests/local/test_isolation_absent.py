"""Where users cannot be kept apart, or are not to be, a stack runs as before, and says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.imagectl import imagectl
from tests.local.as_user import owner_of
from tests.local_stack import LocalStack, unstarted_stack
from tests.stack import ROOT

ONLY = ("up", "--only", "redis", "minio")


@pytest.fixture(scope="module", autouse=True)
def root() -> None:
    assert os.geteuid() == 0, "whether users are kept apart is tried as root: this test needs it"


def users(stack: LocalStack) -> set[int]:
    return {owner_of(stack.pid(name)).user for name in ("redis", "minio")}


def check_of(stack: LocalStack, name: str) -> dict[str, str]:
    told = json.loads(imagectl(stack, "doctor", "--json", "--budget", "60").stdout)["checks"]
    (found,) = (each for each in told if each["check"] == name)
    assert isinstance(found, dict)
    return found


def test_a_stack_goes_on_whether_its_users_are_kept_apart_or_not(tmp_path: Path) -> None:
    with unstarted_stack(tmp_path / "state", {"ISOLATE": "0"}) as off:
        on = LocalStack(off.state_dir, off.ports)
        told, found = [], []
        for stack in (on, off, on):
            done = stack.command(*ONLY)
            assert done.returncode == 0, done.stdout + done.stderr
            told.append(done.stdout)
            found.append(users(stack))
            stack.command("down")

    assert found[1] == {0}
    assert found[0] == found[2]
    assert len(found[0] - {0}) == 2
    assert "ISOLATE=0" in told[1]
    assert all("each function is a user of its own" in told[n] for n in (0, 2))


def test_without_the_right_to_mount_all_is_roots_and_the_doctor_says_why(tmp_path: Path) -> None:
    with unstarted_stack(tmp_path / "state") as stack:
        # As in a container that was given no more than Docker gives.
        command = [sys.executable, "-m", "local.services", *ONLY]
        done = subprocess.run(
            ["setpriv", "--bounding-set=-sys_admin", "--", *command],
            cwd=ROOT,
            env=stack.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

        assert users(stack) == {0}
        assert "a mount namespace cannot be made" in done.stdout
        found = check_of(stack, "users")
        assert found["state"] == "warning"
        assert "a mount namespace cannot be made" in found["found"]
