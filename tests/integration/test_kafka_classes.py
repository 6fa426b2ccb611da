"""A real JVM takes the classes that were kept for it, and does without when they cannot be had."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from local.services import credentials
from local.services.commands import kafka_classes
from local.services.fetch import kafka_jars
from local.services.servers import kafka
from local.services.settings import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A stack with a cache of its own that has Kafka's jars, and nothing made of them."""
    usual = Stack.from_env({})
    kafka_jars.fetch(usual)
    own = replace(usual, cache_dir=tmp_path / "cache", state_dir=tmp_path / "state")
    folder = kafka_jars.folder(own)
    folder.mkdir(parents=True)
    for jar in kafka_jars.folder(usual).iterdir():
        (folder / jar.name).symlink_to(jar)
    return own


def kept(stack: Stack) -> list[Path]:
    return sorted(kafka_jars.folder(stack).parent.glob("classes-*"))


def test_the_jvm_takes_what_was_kept_for_it(stack: Stack) -> None:
    broken_off = kafka_jars.folder(stack).with_name("classes-unfinished-by-a-kill")
    broken_off.mkdir()
    of_others = [broken_off.with_name(f"classes-of-another-{each}.jsa") for each in range(3)]
    for age, archive in enumerate(of_others):
        archive.touch()
        os.utime(archive, (age, age))
    assert not any("SharedArchiveFile" in word for word in kafka.command(stack))

    kafka_classes.prepare(stack)
    kafka_classes.prepare(stack)  # which finds it

    assert kept(stack) == sorted([kafka.class_archive(stack), *of_others[1:]])
    assert kafka.class_archive(stack).stat().st_mode & 0o777 == 0o644
    credentials.make(stack)
    kafka.prepare(stack)
    java, *arguments = kafka.format_command(stack)
    assert f"-XX:SharedArchiveFile={kafka.class_archive(stack)}" in arguments
    # With this a JVM that could not take it would end at once.
    done = subprocess.run([java, "-Xshare:on", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert kafka.is_formatted(stack)


def test_a_broker_that_cannot_be_tried_is_no_reason_not_to_start(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kafka, "command", lambda _: ["/bin/false"])

    kafka_classes.prepare(stack)

    assert "Kafka will start slowly: its JVM ended with status 1" in capsys.readouterr().out
    assert kept(stack) == []


def test_other_jars_have_classes_of_their_own(stack: Stack) -> None:
    before = kafka.class_archive(stack)
    jar = next(kafka_jars.folder(stack).iterdir())

    jar.unlink()
    jar.write_bytes(b"another")

    assert kafka.class_archive(stack) != before
