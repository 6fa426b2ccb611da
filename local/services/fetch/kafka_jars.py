"""Kafka's jars: fetched once through Maven, checked against the lock, kept in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from local.machine import files
from local.services.fetch import debian
from local.services.progress import StepFailed, run
from local.services.settings import Stack

_POM = Path(__file__).with_name("kafka-pom.xml")
_LOCK = Path(__file__).with_name("kafka-jars.sha256")
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def folder(stack: Stack) -> Path:
    """Where the jars of these pins lie; it exists only once they are complete."""
    pins = hashlib.sha256(_POM.read_bytes() + _LOCK.read_bytes()).hexdigest()[:12]
    return stack.cache_dir / "kafka" / pins


def fetch(stack: Stack) -> None:
    """Fetch the jars through Maven, unless the cache has them.

    Raises:
        StepFailed: Maven failed, or a jar is another than the locked one.
    """
    target = folder(stack)
    with files.lock(stack.cache_dir / "kafka.lock"):
        if target.exists():
            return
        target.parent.mkdir(exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=target.parent))
        try:
            _copy_dependencies(unfinished)
            check(unfinished)
            unfinished.chmod(0o755)  # who runs Kafka may be another user
            unfinished.rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def check(jars: Path) -> None:
    """Compare a folder of jars with the lock.

    Raises:
        StepFailed: naming every jar that is missing, unknown or different.
    """
    wanted = {tuple(line.split()) for line in _LOCK.read_text(encoding="utf-8").splitlines()}
    found = {(hashlib.sha256(jar.read_bytes()).hexdigest(), jar.name) for jar in jars.iterdir()}
    wrong = sorted({name for _, name in wanted ^ found})
    if wrong:
        raise StepFailed(f"Kafka: jars are not as {_LOCK.name} says: {', '.join(wrong)}")


def _copy_dependencies(target: Path) -> None:
    run(
        "Kafka: fetching the jars through Maven (10 to 30 s)",
        [debian.maven(), "-B", "-f", _POM, _COPY, f"-DoutputDirectory={target}"],
        environment={**os.environ, "JAVA_HOME": str(debian.java().parents[1])},
    )
