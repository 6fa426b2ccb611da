"""The whole pipeline costs little more than its model.

A backlog is uploaded while the consumer stands still, then drained on all cores: CPU of every
process of the stack for one image ÷ RAW's. What the uploads cost is told beside it. The steps
within the classifier are timed by a wrapper around each, in a drain of its own; what is left of the
process is its HTTP, JSON, threads and logs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import rounds
from bench.measuring import by_step
from bench.measuring.warm import Warm, models, warm_stack
from bench.reporting import judged, records, svg
from bench.reporting.figures import median, ratios
from bench.reporting.report import table
from bench.scenario import Context, Figure, Outcome

GOAL = "P2"

_BARS = {"float32": 1.5, "int8": 1.9}


def run(context: Context) -> Outcome:
    """Measure each model on a stack of its own."""
    figures: list[Figure] = []
    details: dict[str, Any] = {}
    for name, folder in models(context).items():
        details[name] = found = _measure(folder, context)
        figures += _judge(name, found)
    before = records.last(context.folder.parent / "results.json", GOAL)
    tables = [
        text
        for name, found in details.items()
        for text in _tables(name, found, before.get(name, {}).get("steps", {}))
    ]
    bars = {name: _drained(found)["cpuMillisecondsPerImage"] for name, found in details.items()}
    plot = svg.stacks(context.folder / "p02-cpu.svg", "CPU of one image, drained", "ms", bars)
    return Outcome(figures, details, tables, [plot, _throughput(context, details)])


def _measure(folder: Path | None, context: Context) -> dict[str, Any]:
    images = 2000 if context.full else 400
    with warm_stack(folder) as warm:
        arms = {"drain": lambda: _drain(warm, images), "raw": lambda: _raw(warm, images)}
        found = rounds.shuffled(arms, 5 if context.full else 2)
        steps = by_step.measure(warm, images, context.plant)
    return {"rounds": found, "steps": steps, "model": warm.model}


def _drain(warm: Warm, images: int) -> dict[str, Any]:
    drained = warm.drain.backlog(images)
    return {
        "cpuMilliseconds": drained.cpu_milliseconds,
        "uploadCpuMilliseconds": drained.upload_cpu_milliseconds,
        "imagesPerSecond": round(drained.images_per_second, 1),
        "uploadsPerSecond": round(drained.uploaded.per_second, 1),
        "draining": drained.draining.per_image(images),
        "uploading": drained.uploading.per_image(images),
    }


def _raw(warm: Warm, images: int) -> dict[str, Any]:
    found = warm.raw(images)
    return {
        "cpuMilliseconds": found["cpuMillisecondsPerImage"],
        "imagesPerSecond": found["imagesPerSecond"],
    }


def _judge(name: str, found: dict[str, Any]) -> list[Figure]:
    drain, raw = found["rounds"]["drain"], found["rounds"]["raw"]
    alone = [each["cpuMilliseconds"] for each in raw]
    spent = ratios([each["cpuMilliseconds"] for each in drain], alone)
    uploaded = ratios([each["uploadCpuMilliseconds"] for each in drain], alone)
    what = f"CPU of all processes / RAW, {name}"
    judge = judged.at_most(GOAL, what, spent, _BARS[name]) if name in _BARS else None
    rates = [each["imagesPerSecond"] for each in drain]
    return [
        judge or judged.reported(GOAL, what, spent),
        judged.reported(GOAL, f"CPU of the upload side / RAW, {name}", uploaded),
        judged.reported(GOAL, f"backlog drained, {name}", rates, "images/s"),
    ]


def _tables(name: str, found: dict[str, Any], before: dict[str, float]) -> list[str]:
    return [
        f"By process, the last round, {name}:\n",
        _by_process(found["rounds"]["drain"][-1]),
        f"By step, {name}, CPU milliseconds an image; beside it what the record before said:\n",
        _by_step(found["steps"], before),
    ]


def _by_step(steps: dict[str, float], before: dict[str, float]) -> str:
    rows = [
        (step, spent, before.get(step), _times(spent, before.get(step)))
        for step, spent in steps.items()
    ]
    return table(("", "ms", "before", "÷"), rows)


def _times(spent: float, before: float | None) -> float | None:
    return round(spent / before, 2) if before else None


def _throughput(context: Context, details: dict[str, Any]) -> str:
    bars = {
        f"{arm}, {name}": {"images/s": median([each["imagesPerSecond"] for each in turns])}
        for name, found in details.items()
        for arm, turns in sorted(found["rounds"].items())
    }
    title = "Throughput: a backlog drained on all cores, RAW on one"
    return svg.stacks(context.folder / "p02-throughput.svg", title, "images/s", bars)


def _drained(found: dict[str, Any]) -> dict[str, Any]:
    last: dict[str, Any] = found["rounds"]["drain"][-1]["draining"]
    return last


def _by_process(last: dict[str, Any]) -> str:
    cpu = [last[side]["cpuMillisecondsPerImage"] for side in ("uploading", "draining")]
    peak = last["draining"]["peakMegabytes"]
    rows = [(part, *(each.get(part) for each in cpu), peak.get(part)) for part in peak]
    columns = ("", "uploading, CPU ms an image", "draining, CPU ms an image", "peak MB")
    return table(columns, [*rows, ("all", *(round(sum(each.values()), 3) for each in cpu), None)])
