"""Where and of what a measurement was made: machine, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from local.services.settings import ROOT

_PACKAGES = (
    "ai-edge-litert", "aiohttp", "confluent-kafka", "flask", "minio", "numpy", "pillow", "redis",
    "waitress",
)  # fmt: skip
# Enough to measure the CPU of one, in a seventh of a second at worst.
_FOLDERS = 500


def describe() -> dict[str, str]:
    """Tell what a reader needs to repeat a measurement, and how busy the machine was before it."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": _commit(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GB",
        "system": f"{_distribution()}, Linux {platform.release()}",
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        "CPU of a new folder": f"{_folder_microseconds():.0f} µs",
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _folder_microseconds() -> float:
    """Measure where the stacks will lie: MinIO makes two folders an object, and ext4 may need ten
    times as long for one in a crowded corner of an old disk as on a fresh one.
    """
    with tempfile.TemporaryDirectory(prefix="bench-folders-") as parent:
        began = time.process_time()
        for number in range(_FOLDERS):
            Path(parent, str(number)).mkdir()
        return (time.process_time() - began) * 1e6 / _FOLDERS


def _commit() -> str:
    head = _git("rev-parse", "--short", "HEAD")
    # What a measurement writes is no change to what it measured.
    written = (
        "bench/RESULTS.md",
        "bench/results.json",
        "bench/plots",
        "docs/guarantees.md",
        "docs/guarantees.json",
    )
    changed = _git("status", "--porcelain", "--", ".", *(f":!{name}" for name in written))
    return f"{head}, with changes" if changed else head


def _git(*words: str) -> str:
    finished = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return finished.stdout.strip() if finished.returncode == 0 else "unknown"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _distribution() -> str:
    return platform.freedesktop_os_release()["PRETTY_NAME"]
