"""The arithmetic of measurements."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench import photos
from bench.latency import percentiles
from bench.processes import Usage, cpu_between, usage
from local.services.processes import Process, record, start_time
from pipeline import images
from pipeline.settings import Settings

ROOT = Path(__file__).parents[2]


def test_percentiles_are_of_the_nearest_rank_in_milliseconds() -> None:
    latency = percentiles([number / 1000 for number in range(1, 101)])

    assert (latency.p50, latency.p95, latency.p99) == (50, 95, 99)


def test_a_single_time_is_every_percentile() -> None:
    assert percentiles([0.5]).p99 == 500


def test_photos_are_distinct_files_of_one_picture() -> None:
    made = photos.distinct(ROOT / "models" / "demonstration" / "example.png", 3)

    limits = images.Limits.from_settings(Settings())
    decoded = {images.decode(photo, limits).tobytes() for photo in made}
    assert len(set(made)) == 3
    assert len(decoded) == 1


def test_cpu_is_counted_from_before_to_after() -> None:
    before, after = {"a": Usage(1.0)}, {"a": Usage(3.0), "b": Usage(0.5)}

    assert cpu_between(before, after) == {"a": 2.0, "b": 0.5}


def test_a_recorded_process_is_measured(tmp_path: Path) -> None:
    session = os.getsid(0)
    record(tmp_path / "run", Process("own", session, start_time(session) or 0))
    before = usage(tmp_path)

    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass

    used = usage(tmp_path)["own"]
    assert used.cpu_seconds > before["own"].cpu_seconds
    assert used.peak_bytes >= used.resident_bytes > 0
