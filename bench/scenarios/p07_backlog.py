"""100,000 waiting images are drained as fast at the end as at the start, in the same memory.

One drain: all are uploaded while the consumer stands still, then it is let go. Images/s of the last
tenth of the results ÷ the first tenth; the most memory of all processes ÷ that after 1,000 results.
"""

from __future__ import annotations

from typing import Any

from bench.load.drain import Drained
from bench.load.memory_watch import Look, MemoryWatch, growth
from bench.measuring.warm import warm_stack
from bench.progress import say
from bench.reporting import judged, svg
from bench.reporting.figures import rate_of_tenth
from bench.reporting.report import table
from bench.scenario import Context, Figure, Outcome

GOAL = "P7"

_SETTLED_RESULTS = 1000


def run(context: Context) -> Outcome:
    """Drain once."""
    images = 100_000 if context.full else 3000
    with warm_stack(context.model_dir) as warm:
        watch = MemoryWatch(warm.stack.run_dir)
        say(f"Uploading {images:,} images, then draining them.")
        drained = warm.drain.backlog(images, beside=watch)
    grown = growth(watch.looks, _SETTLED_RESULTS)
    tenths = [rate_of_tenth(drained.instants, tenth) for tenth in range(10)]
    details = _details(drained, tenths, grown, watch.looks)
    return Outcome(
        _judge(tenths, grown, images), details, [_tenths(tenths), _memory(grown, watch.looks)],
        [_curve(context, watch.looks, images), _memory_plot(context, watch.looks)],
    )  # fmt: skip


def _judge(tenths: list[float], grown: dict[str, float], images: int) -> list[Figure]:
    note = "" if images >= 100_000 else f"{images:,} images"
    rate = "images/s of the last tenth / the first"
    memory = f"peak memory of all processes / after {_SETTLED_RESULTS:,}"
    return [
        judged.at_least(GOAL, rate, [tenths[-1] / tenths[0]], 0.97, note=note),
        judged.at_most(GOAL, memory, [grown["all"]], 1.05, note=note),
    ]


def _details(
    drained: Drained, tenths: list[float], grown: dict[str, float], looks: list[Look]
) -> dict[str, Any]:
    return {
        "images": len(drained.instants),
        "seconds": round(max(drained.instants) - drained.started, 1),
        "imagesPerSecond": round(drained.images_per_second, 1),
        "uploadsPerSecond": round(drained.uploaded.per_second, 1),
        "tenthsPerSecond": [round(rate, 1) for rate in tenths],
        "memoryGrowth": {name: round(share, 3) for name, share in grown.items()},
        "curve": [(round(look.seconds), look.results) for look in _thinned(looks)],
        **drained.draining.per_image(len(drained.instants)),
    }


def _tenths(tenths: list[float]) -> str:
    return table(("tenth", *range(1, 11)), [("images/s", *(round(rate, 1) for rate in tenths))])


def _memory(grown: dict[str, float], looks: list[Look]) -> str:
    rows = [
        (name, looks[0].megabytes.get(name), looks[-1].megabytes.get(name), round(share, 3))
        for name, share in grown.items()
    ]
    return table(("resident MB", "first", "last", "peak / settled"), rows)


def _curve(context: Context, looks: list[Look], images: int) -> str:
    waiting = [(look.seconds, float(images - look.results)) for look in _thinned(looks)]
    path = context.folder / "p07-backlog.svg"
    return svg.lines(path, "Backlog", ("seconds", "images waiting"), {"waiting": waiting})


def _memory_plot(context: Context, looks: list[Look]) -> str:
    series = {
        name: [(look.seconds, look.megabytes.get(name, 0.0)) for look in _thinned(looks)]
        for name in looks[0].megabytes
    }
    path = context.folder / "p07-memory.svg"
    return svg.lines(path, "Resident memory", ("seconds", "MB"), series)


def _thinned(looks: list[Look]) -> list[Look]:
    """At most a few hundred of them, the last one among them."""
    every = max(1, len(looks) // 200)
    return [*looks[:-1:every], looks[-1]]
