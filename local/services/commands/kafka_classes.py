"""Kafka's classes, parsed and checked once: with them at hand its JVM starts in half the time.

Source: the JVM's class-data sharing, JEP 350 (dynamic archives).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from local.machine import files
from local.machine.ports import free_port
from local.services import credentials
from local.services.fetch import debian
from local.services.progress import StepFailed, ending, say, step
from local.services.servers import kafka
from local.services.settings import Stack
from local.services.supervision import probes

_START_SECONDS = 120.0
_ASK_EVERY_SECONDS = 0.1
# While it ends the JVM writes down what it has loaded.
_END_SECONDS = 60.0
_UNFINISHED = "classes-unfinished-"
_MOST_KEPT = 3  # of 52 MB each: several checkouts share the cache


def prepare(stack: Stack) -> None:
    """Start a broker that nobody uses, and keep what its JVM has loaded, unless it is kept already.

    Kafka works without it: if it cannot be had, that is said, and no more.
    """
    target = kafka.class_archive(stack)
    with files.lock(stack.cache_dir / "kafka-classes.lock"):
        if target.exists():
            return
        _make_room(target)
        try:
            with (
                tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=target.parent) as folder,
                step("Kafka: keeping what its JVM makes of its classes, once (10 to 20 s)"),
            ):
                unfinished = Path(folder, target.name)
                _load(_unused(stack, Path(folder, "state")), unfinished)
                unfinished.chmod(0o644)  # who runs Kafka may be another user
                unfinished.rename(target)
        except (OSError, StepFailed) as error:
            say(f"  Kafka will start slowly: {error}")


def _make_room(target: Path) -> None:
    """Remove what was broken off, and what was made of JVMs and jars long ago."""
    for folder in target.parent.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(folder, ignore_errors=True)
    kept = sorted(target.parent.glob("classes-*.jsa"), key=lambda each: each.stat().st_mtime)
    for archive in kept[: max(0, len(kept) - _MOST_KEPT + 1)]:
        archive.unlink()


def _unused(stack: Stack, state_dir: Path) -> Stack:
    """A stack beside others, as far as Kafka goes."""
    ports = replace(stack.listening, kafka=free_port(), kafka_controller=free_port())
    return replace(stack, state_dir=state_dir, ports=ports, listening=ports)


def _load(stack: Stack, archive: Path) -> None:
    credentials.make(stack)
    kafka.prepare(stack)
    with _begun(kafka.format_command(stack)) as formatting:
        _wait_for("empty broker", formatting, lambda: formatting.poll() == 0)
    java, *arguments = kafka.command(stack)
    answers = probes.Kafka(stack.listening.kafka)
    with _begun([java, f"-XX:ArchiveClassesAtExit={archive}", *arguments]) as broker:
        _wait_for("broker", broker, lambda: not answers())
    if not archive.exists():
        raise StepFailed(f"its JVM kept no classes, and ended with status {broker.returncode}")


@contextmanager
def _begun(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command that is told to end, with us too."""
    process = subprocess.Popen(
        [str(debian.setpriv()), "--pdeathsig", "TERM", "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with ending(process):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(what: str, process: subprocess.Popen[str], is_there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not is_there():
        if process.poll():
            raise StepFailed(f"its JVM ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise StepFailed(f"there was no {what} within {_START_SECONDS:g} s")
        time.sleep(_ASK_EVERY_SECONDS)
