"""Kafka's classes, parsed and checked once: with them at hand its JVM starts in half the time.

Source: the JVM's class-data sharing, JEP 350 (dynamic archives).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from local.machine import files
from local.machine.ports import free_port
from local.services import credentials
from local.services.fetch import debian
from local.services.progress import StepFailed, ending, run, say, step
from local.services.servers import kafka
from local.services.settings import Stack
from local.services.supervision import probes

_START_SECONDS = 120.0
_ASK_EVERY_SECONDS = 0.1
# While it ends the JVM writes down what it has loaded.
_END_SECONDS = 60.0


def prepare(stack: Stack) -> None:
    """Start a broker that nobody uses, and keep what its JVM has loaded, unless it is kept already.

    Kafka works without it: if it cannot be had, that is said, and no more.
    """
    target = kafka.class_archive(stack)
    with files.lock(stack.cache_dir / "kafka-classes.lock"):
        if target.exists():
            return
        of_these_jars = target.name.rpartition("-")[0]
        for old in target.parent.glob(f"{of_these_jars}-*"):
            _remove(old)
        prefix = f"{of_these_jars}-unfinished-"
        try:
            with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as folder:
                unfinished = Path(folder, target.name)
                _load(_unused(stack, Path(folder, "state")), unfinished)
                unfinished.chmod(0o644)  # who runs Kafka may be another user
                unfinished.rename(target)
        except (OSError, StepFailed) as error:
            say(f"  Kafka will start slowly: {error}")


def _remove(old: Path) -> None:
    if old.is_dir():  # of one that was broken off
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink(missing_ok=True)


def _unused(stack: Stack, state_dir: Path) -> Stack:
    """A stack beside others, as far as Kafka goes."""
    ports = replace(stack.listening, kafka=free_port(), kafka_controller=free_port())
    return replace(stack, state_dir=state_dir, ports=ports, listening=ports)


def _load(stack: Stack, archive: Path) -> None:
    credentials.make(stack)
    kafka.prepare(stack)
    run("Kafka: making an empty broker, to see what it loads", kafka.format_command(stack))
    java, *arguments = kafka.command(stack)
    started_by = [str(debian.setpriv()), "--pdeathsig", "TERM", "--"]
    broker = subprocess.Popen(
        [*started_by, java, f"-XX:ArchiveClassesAtExit={archive}", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with ending(broker), step("Kafka: keeping what it loads, once"):
        try:
            _wait_for(broker, probes.Kafka(stack.listening.kafka))
        finally:
            broker.terminate()
            _wait_for_end(broker)
    if not archive.exists():
        raise StepFailed(f"its JVM ended with status {broker.returncode} and kept no classes")


def _wait_for_end(broker: subprocess.Popen[str]) -> None:
    try:
        broker.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        broker.kill()


def _wait_for(broker: subprocess.Popen[str], probe: probes.Kafka) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while wrong := probe():
        if broker.poll() is not None:
            raise StepFailed(f"its JVM ended with status {broker.returncode}")
        if time.monotonic() > deadline:
            raise StepFailed(f"it did not start within {_START_SECONDS:g} s: it {wrong}")
        time.sleep(_ASK_EVERY_SECONDS)
