"""RESULTS.md: what was measured, as tables; results.json beside it holds all of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Measured = Mapping[str, Any]
Row = Sequence[object]

_HEAD = """\
# What was measured

By `{command}`, {seconds:.0f} s in all; every figure is in [results.json](results.json).
One run on one machine: differences under 15 % are noise. RAW is a loop in one process on one core:
the same bytes, the same decoding, the same engine, nothing else. CPU is user and system time of
every process of the stack, children included. A wrong label in any answer ends the run without
figures.
"""


def write(folder: Path, measured: Measured) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(measured, indent=2, ensure_ascii=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    (folder / "RESULTS.md").write_text(render(measured), encoding="utf-8")


def render(measured: Measured) -> str:
    """Write the page; what was not measured is left out."""
    head = _HEAD.format(command=measured["command"], seconds=measured["seconds"])
    parts = [
        head,
        table(("", ""), [*measured["machine"].items(), *_subject(measured)]),
        *(render(measured[name]) for name, render in _SECTIONS.items() if name in measured),
    ]
    return "\n".join(parts)


def table(columns: Row, rows: Iterable[Row]) -> str:
    """Write a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value)


def _subject(measured: Measured) -> list[Row]:
    raw = measured["raw"]
    model = raw["model"]
    note = ", the demonstration" if model["demonstration"] else ""
    return [
        ("model", f"{model['modelId']}{note}"),
        ("image", measured["image"]),
        ("label", raw["labels"][0]["label"]),
        ("RAW", f"{raw['cpuMillisecondsPerImage']} ms of CPU an image, {raw['imagesPerSecond']}/s"),
    ]


def _drain(arms: Measured) -> str:
    named: dict[str, Measured] = {
        "end to end": arms["endToEnd"],
        "upload alone": arms["backlog"]["upload"],
        "backlog drained": arms["backlog"]["drain"],
    }
    rows: list[Row] = [
        ("images", *(arm["images"] for arm in named.values())),
        ("answers checked", *(arm.get("checked") for arm in named.values())),
        ("images/s", *(arm.get("imagesPerSecond") for arm in named.values())),
        ("uploads/s", *(arm.get("uploadsPerSecond") for arm in named.values())),
        ("seconds", *(arm.get("seconds") for arm in named.values())),
        ("seconds to the first result", *(arm.get("firstResultSeconds") for arm in named.values())),
        ("CPU ms an image", *(arm["cpuMillisecondsPerImageTotal"] for arm in named.values())),
        ("CPU ÷ RAW", *(arm.get("cpuOverRaw") for arm in named.values())),
    ]
    parts = sorted({part for arm in named.values() for part in arm["cpuMillisecondsPerImage"]})
    cpu, peak = (
        [(part, *(arm[figure].get(part) for arm in named.values())) for part in parts]
        for figure in ("cpuMillisecondsPerImage", "peakMegabytes")
    )
    return "\n".join(
        [
            "## Throughput\n",
            "Eight clients upload through Nginx as fast as they are answered. *End to end* is"
            " from the first upload to the last\nresult event. For the backlog the consumer stands"
            " still until all is uploaded; images/s of its draining is that of\nthe middle 80 % of"
            " the results.\n",
            table(("", *named), rows),
            "CPU milliseconds an image, by process:\n",
            table(("", *named), cpu),
            "Peak resident memory in MB, by process:\n",
            table(("", *named), peak),
        ]
    )


def _latency(latency: Measured) -> str:
    event, answer = latency["event"], latency["answer"]
    load = f"{latency['perSecond']:g} a second for {latency['seconds']:g} s"
    shares = ("count", "p50", "p95", "p99", "max")
    named = {
        "upload → 202": event["accepted"],
        "upload → result event": event["result"],
        "upload with `Prefer: wait=10` → 200 with the result": answer["answer"],
        "late start of the bench itself": event["lateStart"],
    }
    return "\n".join(
        [
            "## Latency\n",
            f"{load}, open loop, in milliseconds from the instant the upload was meant to start.\n",
            table(
                ("", *shares),
                ([name, *(it[each] for each in shares)] for name, it in named.items()),
            ),
        ]
    )


def _rest(rest: Measured) -> str:
    memory: Mapping[str, Measured] = rest["memoryMegabytes"]
    fresh: Mapping[str, Measured] = rest["freshMegabytes"]
    rows = [
        (part, fresh.get(part, {}).get("rss"), now["rss"], now["pss"], rest["cpuPercent"].get(part))
        for part, now in memory.items()
    ]
    sums = [
        sum(each["rss"] for each in fresh.values()),
        sum(each["rss"] for each in memory.values()),
        sum(each["pss"] or 0 for each in memory.values()),
    ]
    total = ("all", *(round(each, 1) for each in sums), rest["cpuPercentTotal"])
    columns = ("", "RSS fresh, MB", "RSS, MB", "PSS, MB", "CPU, % of a core")
    return "\n".join(
        [
            "## At rest\n",
            f"Just started, and over {rest['seconds']:g} s without requests after the load above."
            " RSS counts shared pages once\nfor each process, PSS once in all.\n",
            table(columns, [*rows, total]),
        ]
    )


_SECTIONS = {"drain": _drain, "latency": _latency, "rest": _rest}
