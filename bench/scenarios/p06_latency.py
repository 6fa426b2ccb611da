"""One image alone does not wait: its result comes soon after its upload.

Open loop at 10 % of what the stack drains: from the instant an upload was meant to start to the
arrival of its result event, by the one clock of the loader. RAW is taken off. The upload that waits
for its answer (`Prefer: wait=10`) is told beside it.
"""

from __future__ import annotations

from typing import Any

from bench.load.latency import Latency
from bench.measuring.warm import Warm, warm_stack
from bench.reporting import judged, svg
from bench.reporting.report import table
from bench.scenario import Context, Figure, Outcome

GOAL = "P6"

_SHARE_OF_CAPACITY = 0.1
_SHARES = ("p50", "p95", "p99", "max")


def run(context: Context) -> Outcome:
    """Find the capacity, then measure each round beside RAW."""
    with warm_stack(context.model_dir) as warm:
        capacity = warm.drain.backlog(400 if context.full else 200).images_per_second
        seconds, rounds = (30.0, 5) if context.full else (15.0, 1)
        per_second = capacity * _SHARE_OF_CAPACITY
        found = [_round(warm, per_second, seconds, number) for number in range(rounds)]
    details = {"perSecond": round(per_second, 2), "seconds": seconds, "rounds": found}
    return Outcome(_judge(found), details, [_table(found[-1])], [_plot(context, found[-1])])


def _round(warm: Warm, per_second: float, seconds: float, number: int) -> dict[str, Any]:
    raw = warm.raw(200)
    loop = Latency(warm.stack, warm.photo, warm.labels, per_second, seconds, f"round {number}")
    event, answer = loop.until_event(), loop.until_answer()
    return {"rawMilliseconds": 1000 / raw["imagesPerSecond"], "event": event, "answer": answer}


def _judge(found: list[dict[str, Any]]) -> list[Figure]:
    raw = [each["rawMilliseconds"] for each in found]
    result, answer = (
        [each[kind][part]["p50"] for each in found]
        for kind, part in (("event", "result"), ("answer", "answer"))
    )
    over = [one - other for one, other in zip(result, raw, strict=True)]
    return [
        judged.at_most(GOAL, "upload → result event, p50, minus RAW", over, 15, "ms"),
        judged.reported(GOAL, "upload → result event, p50", result, "ms"),
        judged.reported(GOAL, "upload that waits → its result, p50", answer, "ms"),
    ]


def _rows(last: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        "upload → 202": last["event"]["accepted"],
        "upload → result event": last["event"]["result"],
        "upload with `Prefer: wait=10` → 200": last["answer"]["answer"],
        "late start of the loader": last["event"]["lateStart"],
    }


def _table(last: dict[str, Any]) -> str:
    rows = [(name, *(it[share] for share in _SHARES)) for name, it in _rows(last).items()]
    return "The last round, milliseconds:\n\n" + table(("", *_SHARES), rows)


def _plot(context: Context, last: dict[str, Any]) -> str:
    percents = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}
    series = {
        name.replace("`", ""): [(percents[share], it[share]) for share in _SHARES]
        for name, it in _rows(last).items()
    }
    path = context.folder / "p06-latency.svg"
    return svg.lines(path, "Latency at 10 % load", ("percentile", "ms"), series)
