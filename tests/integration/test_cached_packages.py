"""The locked packages go into the cache once, by pip itself, and from then on need no network."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from local.services.fetch import wheels
from local.services.progress import StepFailed
from local.services.settings import Stack
from tests.wheels import make_wheel

PYTHON = Path(sys.executable)


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip looks into instead of an index, with the one package of a lock."""
    folder = tmp_path / "offered"
    wheel = make_wheel(folder, "tea", "1.2")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"tea==1.2 --hash=sha256:{digest}\n")
    monkeypatch.setattr(wheels, "LOCK", lock)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack.from_env({"CACHE_DIR": str(tmp_path / "cache")})


@pytest.mark.usefixtures("offered")
def test_what_the_lock_names_is_kept_in_the_cache(stack: Stack) -> None:
    wheels.fetch(stack, PYTHON)

    assert [wheel.name for wheel in wheels.fetched(stack)] == ["tea-1.2-py3-none-any.whl"]


def test_what_is_cached_is_not_asked_for_again(stack: Stack, offered: Path) -> None:
    wheels.fetch(stack, PYTHON)
    (offered / "tea-1.2-py3-none-any.whl").unlink()

    wheels.fetch(stack, PYTHON)

    assert len(wheels.fetched(stack)) == 1


def test_without_a_network_the_error_says_what_to_do(stack: Stack, offered: Path) -> None:
    (offered / "tea-1.2-py3-none-any.whl").unlink()

    with pytest.raises(StepFailed, match=r"docs/air-gapped\.md") as failed:
        wheels.fetch(stack, PYTHON)

    assert "tea==1.2" in str(failed.value)
    assert not list(wheels.folder(stack).iterdir())
