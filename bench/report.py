"""How results are shown: RESULTS.md."""

from __future__ import annotations

from typing import Any

_HEAD = """\
# Results

Made by `make bench`; do not edit. {date}, commit {commit}, {machine}, Python {python}, \
model {model},
photos of 500 × 375 pixels, each file different. One run: compare ratios, not digits.

RAW is one loop in one process over the same bytes with the same decoding and the same model: \
**{raw:.1f} ms** of CPU per image.

## Throughput

One classifier replica. "At once" uploads with 8 clients while images are classified; "backlog"
drains what was uploaded before, uploads not counted.

| run | images | images/s | CPU ms per image | ÷ RAW |
|---|---|---|---|---|
"""


def markdown(results: dict[str, Any]) -> str:
    """Render the tables."""
    raw = results["rawCpuSeconds"]
    text = _HEAD.format(**results["about"], raw=raw * 1000)
    for name, title in (("together", "at once"), ("backlog", "backlog")):
        run = results[name]
        text += (
            f"| {title} | {run['images']:,} | {run['imagesPerSecond']:.1f}"
            f" | {run['totalCpuSeconds'] * 1000:.1f} | {run['totalCpuSeconds'] / raw:.2f} |\n"
        )
    text += f"\nUploads alone: {results['uploadsPerSecond']:.0f} per second.\n"
    return text + _by_service(results) + _latency(results)


def _by_service(results: dict[str, Any]) -> str:
    text = (
        "\n## By service\n\n"
        "| service | CPU ms per image, at once | backlog | MB at rest | MB at most"
        " | % of a core at rest |\n|---|---|---|---|---|---|\n"
    )
    names = sorted(results["restBytes"], key=lambda name: -results["restBytes"][name])
    for name in names:
        at_once, alone = (
            results[run]["cpuSeconds"].get(name, 0) for run in ("together", "backlog")
        )
        text += (
            f"| {name} | {at_once * 1000:.2f} | {alone * 1000:.2f}"
            f" | {results['restBytes'][name] / 1e6:.0f}"
            f" | {results['peakBytes'].get(name, 0) / 1e6:.0f}"
            f" | {results['idleCpuShare'][name] * 100:.1f} |\n"
        )
    rest, idle = (sum(results[key].values()) for key in ("restBytes", "idleCpuShare"))
    return text + f"| all | | | {rest / 1e6:.0f} | | {idle * 100:.1f} |\n"


def _latency(results: dict[str, Any]) -> str:
    text = (
        "\n## Latency\n\nOpen loop, 5 uploads per second, from the intended moment.\n\n"
        "| to | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|\n"
    )
    for key, title in (
        ("latencyToEvent", "the result event"),
        ("latencyToAnswer", "the answer, with `Prefer: wait`"),
    ):
        row = results[key]
        text += f"| {title} | {row['p50']:.1f} | {row['p95']:.1f} | {row['p99']:.1f} |\n"
    return text
