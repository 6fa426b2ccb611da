"""Files, locks, logs and credentials of a local stack."""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from local.machine import files
from local.services import credentials
from local.services.settings import Stack
from local.services.supervision import logs
from pipeline.access import accounts
from pipeline.access.accounts import SETUP
from pipeline.names import FUNCTIONS


@contextmanager
def without_room() -> Iterator[None]:
    """No file can grow meanwhile, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_private_file_is_replaced_whole_and_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"

    files.write(path, "first", files.PRIVATE)
    files.write(path, "second", files.PRIVATE)

    assert path.read_text() == "second"
    assert _mode(path) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_has_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    files.write(tmp_path / "state", "before")

    with without_room(), pytest.raises(OSError, match="File too large"):
        files.write(tmp_path / "state", "after")

    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert (tmp_path / "state").read_text() == "before"


def test_a_lock_whose_file_was_removed_keeps_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    was_there = []

    def wait_for_it() -> None:
        with files.lock(path):
            was_there.append(path.exists())

    waiting = threading.Thread(target=wait_for_it)
    with files.lock(path):
        waiting.start()
        path.unlink()
    waiting.join(60)

    assert was_there == [True]


def test_a_held_lock_tells_who_holds_it(tmp_path: Path) -> None:
    with (
        files.lock(tmp_path / "lock"),
        pytest.raises(files.Busy, match=r"^\d+$"),
        files.lock(tmp_path / "lock", wait=False),
    ):
        pass


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    stack = Stack.from_env({"STATE_DIR": str(tmp_path / "state")})

    credentials.make(stack)
    first = {path.name: path.read_text() for path in stack.secrets_dir.iterdir()}
    credentials.make(stack)

    assert {path.name: path.read_text() for path in stack.secrets_dir.iterdir()} == first
    assert first.keys() == {
        *("minio-access-key", "minio-secret-key", "job-signing-key"),
        *("image-upload-key", "image-classifier-key", "image-results-key"),
        "consumer-classifier-key",
        "async-call-key",
        *("basic-auth-user", "basic-auth-password"),
        *("kafka-broker", credentials.KAFKA_LOGINS, credentials.REDIS_USERS),
        *(
            accounts.secret_name(service, name)
            for service in accounts.SERVICES
            for name in (SETUP, *(account.name for account in accounts.having(service)))
        ),
    }
    assert _mode(stack.secrets_dir) == 0o700
    keys = [stack.state_dir / name for name in ("api-key", "prove-api-key")]
    assert {_mode(path) for path in [*stack.secrets_dir.iterdir(), *keys]} == {0o600}
    assert len({path.read_text() for path in keys}) == 2


def test_what_servers_read_follows_from_the_logins(tmp_path: Path) -> None:
    stack = Stack.from_env({"STATE_DIR": str(tmp_path / "state")})
    credentials.make(stack)
    files.write(stack.secrets_dir / "redis-image-upload", "image-upload-b:another", files.PRIVATE)
    files.write(stack.secrets_dir / "kafka-setup", "setup:another", files.PRIVATE)

    credentials.make(stack)

    users = credentials.read(stack, credentials.REDIS_USERS)
    assert "user image-upload-b " in users
    assert "another" not in users
    assert 'user_setup="another"' in credentials.read(stack, credentials.KAFKA_LOGINS)
    root = [credentials.read(stack, f"minio-{kind}-key") for kind in ("access", "secret")]
    assert credentials.read(stack, "minio-setup") == ":".join(root)


def test_an_older_stack_gets_the_keys_it_lacks_and_keeps_its_own(tmp_path: Path) -> None:
    stack = Stack.from_env({"STATE_DIR": str(tmp_path / "state")})
    files.write(stack.api_key_file, "An.old+key/\n", files.PRIVATE)
    files.write(stack.secrets_dir / "internal-secret", "of old", files.PRIVATE)

    credentials.make(stack)

    assert stack.api_key_file.read_text() == "An.old+key/\n"
    names = (*FUNCTIONS, "consumer-classifier")
    keys = [credentials.read(stack, f"{name}-key") for name in names]
    assert len(set(keys)) == 4
    assert not (stack.secrets_dir / credentials.MASTER_KEY).exists()  # no function can ask for it


def test_a_log_that_grew_too_large_is_emptied_under_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "redis.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 100)
        logs.rotate([path], largest_bytes=202)
        writer.write(b"new")

    assert path.read_bytes() == b"new"
    assert (tmp_path / "redis.log.1").read_bytes() == b"old\n" * 50


def test_a_log_is_emptied_also_when_its_end_cannot_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "redis.log"
    path.write_text("old\n" * 100)

    with without_room():
        logs.rotate([path], largest_bytes=200)

    assert path.read_bytes() == b""
    assert list(tmp_path.iterdir()) == [path]


def test_a_log_that_was_renamed_is_followed_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "image-upload-1.log"
    path.write_text("old\n")

    def write() -> None:
        with path.open("a") as log:
            log.write("last\n")

    def rename() -> None:
        path.rename(tmp_path / "image-upload-1.log.1")
        path.write_text("first\n")

    # What happens while it sleeps, as there is nothing new.
    meanwhile = iter([write, rename])
    monkeypatch.setattr(logs, "time", SimpleNamespace(sleep=lambda _: next(meanwhile)()))

    lines = logs.follow([path])

    assert [next(lines) for _ in range(2)] == [
        ("image-upload-1", "last"),
        ("image-upload-1", "first"),
    ]


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "redis.log"
    path.write_text("short")

    logs.rotate([path, tmp_path / "missing.log"], largest_bytes=200)

    assert list(tmp_path.iterdir()) == [path]


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "redis.log"
    path.write_text("".join(f"line {number}\n" for number in range(1000)))

    assert logs.tail(path, 2) == ["line 998", "line 999"]
    assert logs.tail(tmp_path / "missing.log", 2) == []


def test_a_log_is_found_by_service_or_by_function(tmp_path: Path) -> None:
    for name in ("redis", "image-upload-1", "image-upload-2"):
        (tmp_path / f"{name}.log").touch()

    assert [path.stem for path in logs.find(tmp_path, "redis")] == ["redis"]
    assert len(logs.find(tmp_path, "image-upload")) == 2
    assert len(logs.find(tmp_path, None)) == 3
    assert logs.find(tmp_path, "kafka") == []
