"""Files, locks, logs and credentials of a local stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.services import credentials, files, logs
from local.services.settings import Stack


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_private_file_is_replaced_whole_and_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"

    files.write(path, "first", files.PRIVATE)
    files.write(path, "second", files.PRIVATE)

    assert path.read_text() == "second"
    assert _mode(path) == 0o600
    assert list(path.parent.iterdir()) == [path]


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
        *("minio-access-key", "minio-secret-key", "internal-secret", "job-signing-key"),
        *("basic-auth-user", "basic-auth-password"),
    }
    assert _mode(stack.secrets_dir) == 0o700
    assert {_mode(path) for path in [*stack.secrets_dir.iterdir(), stack.api_key_file]} == {0o600}
    assert list(credentials.api_keys(stack).values()) == ["default"]


def test_a_log_that_grew_too_large_is_emptied_under_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "redis.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"old" * 100)
        logs.rotate(tmp_path, largest_bytes=200)
        writer.write(b"new")

    assert path.read_bytes() == b"new"
    assert (tmp_path / "redis.log.1").read_bytes() == b"old" * 100


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "redis.log").write_text("short")

    logs.rotate(tmp_path, largest_bytes=200)

    assert [path.name for path in tmp_path.iterdir()] == ["redis.log"]


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
