"""What the cache holds is found without compiler and network, and told with how it is carried."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local.services.fetch import contents, debian, kafka_jars, minio_build, wheels
from local.services.settings import Stack


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    return Stack.from_env({"STATE_DIR": str(tmp_path / "state"), "CACHE_DIR": str(tmp_path)})


def _built(stack: Stack, compiler: str, program: bytes | None = None) -> Path:
    """Put a MinIO into the cache that is for this machine, or a program of another one."""
    folder = stack.cache_dir / "minio" / f"{minio_build.VERSION}-go{compiler}"
    folder.mkdir(parents=True)
    header = Path(sys.executable).read_bytes()[:64]
    (folder / "minio").write_bytes(header if program is None else program)
    return folder / "minio"


def _fetched(stack: Stack, *names: str) -> None:
    """Put wheels into the cache, as `fetch` leaves them."""
    folder = wheels.folder(stack)
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"1234")
    (folder / wheels.list_name()).write_text("".join(f"{name}\n" for name in names))


def test_a_cached_minio_is_found_whichever_compiler_built_it(stack: Stack) -> None:
    built = _built(stack, "1.99.1")

    assert minio_build.find(stack) == minio_build.binary(stack) == built


def test_a_minio_for_another_kind_of_machine_is_none(stack: Stack) -> None:
    _built(stack, "1.26.8", program=b"\x7fELF\x01\x02" + bytes(58))

    assert minio_build.find(stack) is None
    assert not minio_build.binary(stack).exists()


def test_half_a_minio_is_none(stack: Stack) -> None:
    _built(stack, "1.26.8", program=b"")

    assert minio_build.find(stack) is None


def test_wheels_are_there_when_all_of_them_are(stack: Stack) -> None:
    _fetched(stack, "one-1-py3-none-any.whl", "two-2-py3-none-any.whl")
    assert len(wheels.fetched(stack)) == 2

    wheels.fetched(stack)[0].unlink()

    assert wheels.fetched(stack) == []


def test_another_lock_has_other_wheels(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fetched(stack, "one-1-py3-none-any.whl")

    monkeypatch.setattr(wheels, "LOCK", tmp_path / "requirements.lock")
    wheels.LOCK.write_text("one==2\n")

    assert wheels.fetched(stack) == []


def test_an_empty_cache_says_what_is_missing(stack: Stack) -> None:
    told = {it.name: it.version for it in contents.held(stack)}

    assert {name for name, version in told.items() if "MISSING" in version} >= {
        "Python packages",
        "Kafka",
        "MinIO",
    }


def test_what_is_held_is_told_with_version_and_size(stack: Stack) -> None:
    _built(stack, "1.99.1")
    _fetched(stack, "one-1-py3-none-any.whl")
    jars = kafka_jars.folder(stack)
    jars.mkdir(parents=True)
    (jars / "kafka_2.13-9.8.7.jar").write_bytes(bytes(3_000_000))

    text = contents.text(stack)

    assert "3.0 MB  9.8.7, 1 jars" in text
    assert f"{minio_build.VERSION}-go1.99.1" in text
    assert "1 wheels of requirements.lock" in text
    assert "numpy 2" in text
    assert "python3-venv" in text


def test_the_told_commands_carry_what_is_needed_and_nothing_else(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = _built(stack, "1.99.1")
    _fetched(stack, "one-1-py3-none-any.whl")
    (stack.cache_dir / "minio" / "build").mkdir()
    (stack.cache_dir / "docker").mkdir()
    here, there = contents.carry_commands(stack)
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    subprocess.run(here, shell=True, cwd=work, check=True)
    subprocess.run(there, shell=True, cwd=work, env={"HOME": str(home), "PATH": "/usr/bin:/bin"})

    carried = Stack.from_env({"CACHE_DIR": str(home / ".cache" / "image-pipeline")})
    assert sorted(each.name for each in carried.cache_dir.iterdir() if each.name != "nginx-js") == [
        "minio",
        "wheels",
    ]
    assert [each.name for each in (carried.cache_dir / "minio").iterdir()] == [built.parent.name]
    assert len(wheels.fetched(carried)) == 1


@pytest.mark.parametrize(("for_jars", "asked"), [(True, True), (False, False)])
def test_maven_is_installed_for_the_jars_alone(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, for_jars: bool, asked: bool
) -> None:
    installed: list[str] = []
    monkeypatch.setattr(debian, "_apt", lambda _, *arguments: installed.extend(arguments))
    monkeypatch.setattr(debian, "find", lambda name, pattern: None)
    monkeypatch.setattr(debian, "nginx", lambda stack: Path("/"))

    debian.install(stack, for_jars=for_jars)

    assert ("maven" in installed) == asked
    assert "redis-tools" in installed
