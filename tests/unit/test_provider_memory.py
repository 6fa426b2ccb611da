"""Memory limits go to a cgroup where there is one to be had, else to the rlimit."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.provider.limits import memory
from local.provider.limits.memory import Cgroup, Rlimit


def test_without_a_memory_controller_it_is_the_rlimit(tmp_path: Path) -> None:
    own = tmp_path / "slice" / "scope"
    own.mkdir(parents=True)
    (tmp_path / "cgroup.subtree_control").write_text("cpu pids\n")

    assert isinstance(memory.find(tmp_path / "state", own), Rlimit)
    assert list(own.iterdir()) == []


def test_nearest_group_that_hands_out_memory_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "slice" / "scope"
    own.mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "slice"):
        (folder / "cgroup.subtree_control").write_text("cpu memory\n")
    monkeypatch.setattr(memory, "is_usable", lambda cgroup: True)

    found = memory.find(tmp_path / "state", own)

    assert isinstance(found, Cgroup)
    assert found.folder.parent == tmp_path / "slice"


def test_group_that_lets_no_process_in_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("memory\n")
    refusing = tmp_path / "openfaas-local-1"
    (refusing / "probe" / "cgroup.procs").mkdir(parents=True)

    assert not memory.is_usable(Cgroup(refusing))


def test_replica_enters_its_group_before_it_becomes_the_function(tmp_path: Path) -> None:
    group = tmp_path / "echo-1"
    group.mkdir()
    (group / "memory.swap.max").touch()

    prefix = Cgroup(tmp_path).prefix("echo-1", 64 * 1024 * 1024)

    assert prefix[-1] == str(group / "cgroup.procs")
    assert (group / "memory.max").read_text() == str(64 * 1024 * 1024)
    assert (group / "memory.swap.max").read_text() == "0"
    assert not (group / "memory.oom.group").exists()


def test_rlimit_keeps_threads_from_counting_what_they_never_touch() -> None:
    assert Rlimit().prefix("echo-1", 1000) == ["prlimit", "--data=1000", "--stack=1048576:"]
