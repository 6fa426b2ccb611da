"""`python -m bench`: measure on a stack of its own, write RESULTS.md and results.json."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import drain, latency, photos, raw, report
from bench.processes import cpu_between, usage
from tests.stack import ROOT, LocalStack, running_stack

FIXTURES = ROOT.parent / "shared" / "fixtures"
EXAMPLE = ROOT / "models" / "demonstration" / "example.png"
IMAGES = int(os.environ.get("BENCH_IMAGES", "1000"))
LATENCY_IMAGES = int(os.environ.get("BENCH_LATENCY_IMAGES", "300"))
REST_SECONDS = 20.0


def main() -> int:
    """Run all measurements; 1 when a label is wrong."""
    real = FIXTURES.is_dir()
    source = FIXTURES / "photos" / "cat_720p.jpg" if real else EXAMPLE
    model = FIXTURES / "models" / "mobilenet_v2_float32" if real else None
    expected = "Egyptian cat" if real else "star"
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder), model) as stack:
        results = {"about": _about(model), **_measure(stack, source)}
    wrong = set(results["labels"]) != {expected}
    if wrong:
        print(f"wrong labels: {results['labels']}, expected {expected}", file=sys.stderr)
        return 1
    here = Path(__file__).parent
    (here / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (here / "RESULTS.md").write_text(report.markdown(results))
    _say(f"written: {(here / 'RESULTS.md').relative_to(ROOT)}")
    return 0


def _measure(stack: LocalStack, source: Path) -> dict[str, Any]:
    settings, store = stack.settings, stack.store
    _say("warming up")
    drain.together(stack, photos.distinct(source, 100))
    _say("RAW")
    raw_seconds = raw.raw_cpu_seconds(settings, store, photos.distinct(source, 200))
    _say(f"{IMAGES} images, uploaded and classified at once")
    together = drain.together(stack, photos.distinct(source, IMAGES))
    _say(f"{IMAGES} images as a backlog")
    backlog, uploads_per_second = drain.backlog(stack, photos.distinct(source, IMAGES))
    peak = {name: each.peak_bytes for name, each in usage(stack.state_dir).items()}
    _say(f"latency of {LATENCY_IMAGES} images at {latency.PER_SECOND:g} per second")
    to_event = latency.to_event(stack, photos.distinct(source, LATENCY_IMAGES))
    to_answer = latency.to_answer(stack, photos.distinct(source, LATENCY_IMAGES))
    rest, idle = _rest(stack)
    return {
        "labels": sorted(label.split(",")[0] for label in together.labels | backlog.labels),
        "rawCpuSeconds": raw_seconds,
        "together": _plain(together),
        "backlog": _plain(backlog),
        "uploadsPerSecond": uploads_per_second,
        "latencyToEvent": dataclasses.asdict(to_event),
        "latencyToAnswer": dataclasses.asdict(to_answer),
        "restBytes": rest,
        "peakBytes": peak,
        "idleCpuShare": idle,
    }


def _rest(stack: LocalStack) -> tuple[dict[str, int], dict[str, float]]:
    """Memory by service and the share of one core each uses while nothing is asked of it."""
    _say(f"at rest for {REST_SECONDS:g} seconds")
    before = usage(stack.state_dir)
    time.sleep(REST_SECONDS)
    after = usage(stack.state_dir)
    shares = {name: used / REST_SECONDS for name, used in cpu_between(before, after).items()}
    return {name: each.resident_bytes for name, each in after.items()}, shares


def _plain(measured: drain.Drain) -> dict[str, Any]:
    return {
        "images": measured.images,
        "imagesPerSecond": measured.images_per_second,
        "cpuSeconds": measured.cpu_seconds,
        "totalCpuSeconds": measured.total_cpu_seconds,
    }


def _about(model: Path | None) -> dict[str, str]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    with open("/proc/cpuinfo") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return {
        "commit": commit,
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {names[0] if names else platform.machine()}",
        "model": f"{model.name}" if model else "the demonstration model",
        "python": platform.python_version(),
    }


def _say(text: str) -> None:
    print(f"  {text} …", flush=True)


if __name__ == "__main__":
    sys.exit(main())
