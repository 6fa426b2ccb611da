"""Files that belong to a user, and folders that others may not enter, as the kernel sees them."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from local.machine.users import User
from local.provider.deployments import secrets
from local.provider.deployments.users import give_replica, give_version
from local.services.isolation import numbers, ownership, record, view
from local.services.isolation.record import Isolation
from local.services.settings import Stack

# Of the last block, which stacks take last.
NUMBER, OTHER = numbers.LAST, numbers.LAST - 1


@pytest.fixture(scope="module", autouse=True)
def root() -> None:
    assert os.geteuid() == 0, "whose files are is tried as root: these tests need it"


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder that nobody but root may enter, with another one in it."""
    folder = tmp_path / "closed"
    (folder / "inner" / "state").mkdir(parents=True)
    (folder / "inner" / "state" / "file").write_text("seen")
    (folder / "inner" / "beside").write_text("hidden")
    (folder / "program").write_text("seen, too")
    for each in (folder / "inner", folder):
        each.chmod(0o700)
    return folder


def as_user(namespace: int | None, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user, in a view if there is one."""
    user = ("setpriv", f"--reuid={NUMBER}", f"--regid={NUMBER}", "--clear-groups", "--")
    there = () if namespace is None else ("nsenter", f"--mount=/proc/{os.getpid()}/fd/{namespace}")
    words = [*there, *user, *command]
    return subprocess.run(words, capture_output=True, text=True, cwd="/")


def test_users_reach_what_they_are_shown_at_its_own_path_and_nothing_beside_it(
    closed: Path,
) -> None:
    namespace = view.open_view([closed / "inner" / "state", closed / "program"])
    assert namespace is not None
    try:
        shown = as_user(namespace, "cat", str(closed / "inner/state/file"), str(closed / "program"))
        beside = as_user(namespace, "cat", str(closed / "inner" / "beside"))
        outside = as_user(None, "cat", str(closed / "inner" / "state" / "file"))
        changed = as_user(namespace, "touch", str(closed / "new"))
    finally:
        os.close(namespace)

    assert shown.stdout == "seenseen, too"
    assert beside.returncode
    assert "No such file" in beside.stderr
    assert outside.returncode
    assert "Permission denied" in outside.stderr
    assert changed.returncode
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    # Others mount and unmount what is theirs meanwhile.
    assert str(closed) not in Path("/proc/self/mounts").read_text()


def test_what_a_link_leads_to_is_shown(closed: Path, tmp_path: Path) -> None:
    link = closed / "link"
    link.symlink_to(closed / "inner" / "state")
    namespace = view.open_view([link])
    assert namespace is not None
    try:
        shown = as_user(namespace, "cat", str(link / "file"))
    finally:
        os.close(namespace)

    assert shown.stdout == "seen"


def test_what_everybody_reaches_needs_no_view() -> None:
    assert view.open_view([Path("/usr"), Path("/not/there")]) is None


def test_an_older_stacks_files_become_its_users_and_nothing_that_they_lead_to(
    tmp_path: Path,
) -> None:
    stack = Stack.from_env({"STATE_DIR": str(tmp_path / "state"), "BUILD_DIR": str(tmp_path / "b")})
    data = stack.data_dir("kafka")
    (data / "topic-0").mkdir(parents=True)
    (data / "topic-0" / "log").write_text("an event")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("root's")
    (data / "link").symlink_to(elsewhere)
    os.link(elsewhere, data / "another name")
    isolation = Isolation.of(numbers.FIRST)
    record.write(stack, isolation)

    ownership.give_all(stack, isolation, is_new=True)

    kafka = isolation.user("kafka")
    assert kafka is not None
    assert {(data / name).stat().st_uid for name in (".", "topic-0", "topic-0/log")} == {
        kafka.number
    }
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert elsewhere.stat().st_uid == 0


def test_what_was_written_while_nobody_was_apart_becomes_the_users(tmp_path: Path) -> None:
    stack = Stack.from_env({"STATE_DIR": str(tmp_path / "state"), "BUILD_DIR": str(tmp_path / "b")})
    isolation = Isolation.of(numbers.FIRST)
    ownership.give_all(stack, isolation, is_new=True)
    written = stack.data_dir("minio") / "by-root"
    written.write_text("in between")

    ownership.give_all(stack, isolation, is_new=True)

    minio = isolation.user("minio")
    assert minio is not None
    assert written.stat().st_uid == minio.number


def test_a_secret_is_roots_and_one_groups_to_read(tmp_path: Path) -> None:
    stack = Stack.from_env({"STATE_DIR": str(tmp_path / "state"), "BUILD_DIR": str(tmp_path / "b")})
    stack.secrets_dir.mkdir(parents=True)
    for name in ("redis-users", "minio-secret-key", "gateway-master-key"):
        (stack.secrets_dir / name).write_text("secret")
        (stack.secrets_dir / name).chmod(0o600)
    isolation = Isolation.of(numbers.FIRST)

    ownership.give_all(stack, isolation, is_new=True)

    redis, minio = isolation.user("redis"), isolation.user("minio")
    assert redis
    assert minio
    found = {
        path.name: (path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode))
        for path in stack.secrets_dir.iterdir()
    }
    assert found == {
        "redis-users": (0, redis.number, 0o640),
        "minio-secret-key": (0, minio.number, 0o640),
        "gateway-master-key": (0, 0, 0o600),
    }


@pytest.mark.parametrize("is_read_only", [True, False])
def test_a_working_copy_is_its_functions_alone(tmp_path: Path, is_read_only: bool) -> None:
    tmp_path.chmod(0o711)
    folder = tmp_path / "one-0a1b2c3d"
    (folder / "function").mkdir(parents=True, mode=0o700)
    (folder / "function" / "handler.py").write_text("code")
    (folder / "run.sh").write_text("exit 0")
    (folder / "run.sh").chmod(0o755)

    give_version(folder, User(NUMBER), is_read_only=is_read_only)

    owners = {path.stat().st_uid for path in folder.rglob("*")}
    assert owners == {0 if is_read_only else NUMBER}
    assert not any(path.stat().st_mode & 0o007 for path in (folder, *folder.rglob("*")))
    assert (folder / "function" / "handler.py").stat().st_gid == NUMBER
    assert os.stat(folder / "run.sh").st_mode & stat.S_IXGRP


def _replica(tmp_path: Path) -> Path:
    folder = tmp_path / "replicas" / "one-1"
    (folder / "tmp").mkdir(parents=True)
    (folder / "secrets").mkdir()
    (folder / "secrets" / "token").write_text("before")
    give_replica(folder, User(NUMBER))
    return folder


def test_a_replica_cannot_change_its_secrets_nor_put_others_in_their_place(tmp_path: Path) -> None:
    folder = _replica(tmp_path)
    tried = "import os, sys; os.chdir(sys.argv[1]); " + "; ".join(
        f"\ntry: {what}\nexcept OSError: pass\nelse: print({what!r})"
        for what in (
            "open('secrets/token', 'w')",
            "os.rename('secrets', 'mine')",
            "os.unlink('secrets/token')",
            "os.symlink('/etc/passwd', 'secrets/.token.new')",
            "os.chmod('secrets/token', 0o777)",
        )
    )
    tmp_path.chmod(0o711)
    namespace = view.open_view([tmp_path])
    try:
        done = as_user(namespace, "/usr/bin/python3", "-I", "-c", tried, str(folder))
        wrote = as_user(namespace, "touch", str(folder / "own"), str(folder / "tmp" / "own"))
        read = as_user(namespace, "cat", str(folder / "secrets" / "token"))
    finally:
        if namespace is not None:
            os.close(namespace)

    assert (done.stdout, done.stderr) == ("", "")
    assert wrote.returncode == 0, wrote.stderr
    assert read.stdout == "before"


def test_a_new_value_is_read_by_whom_the_old_one_was_and_follows_no_link(tmp_path: Path) -> None:
    folder = _replica(tmp_path)
    target = tmp_path / "target"
    target.write_text("untouched")
    (folder.parent / ".token.new").symlink_to(target)
    path = folder / "secrets" / "token"

    secrets.replace(path, b"after", folder.parent)

    assert path.read_bytes() == b"after"
    assert (path.stat().st_uid, path.stat().st_gid) == (0, NUMBER)
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    assert target.read_text() == "untouched"
