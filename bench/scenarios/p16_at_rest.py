"""A replica is much smaller than a TensorFlow process, and a stack at rest costs next to nothing.

Resident memory of the classifier after a backlog ÷ that of a plain TensorFlow process that has the
model loaded and has predicted one photo. CPU of every process of a stack that nobody asks anything;
the first minute after work, in which MinIO and Kafka's compiler still tidy up, is told apart.
"""

from __future__ import annotations

from typing import Any

from bench.comparison import plain_tensorflow
from bench.measuring.warm import warm_stack
from bench.reporting import judged
from bench.reporting.report import table
from bench.scenario import Context, Outcome
from bench.stacks.functions import CLASSIFIER
from bench.stacks.rest import at_rest

GOAL = "P16"

# All that `make up` starts; one replica of each, so that it is of as many processes each time.
_SETTINGS = {"AUTOSCALE": "1", "CLASSIFIER_MAX_REPLICAS": "1", "UPLOAD_MAX_REPLICAS": "1"}


def run(context: Context) -> Outcome:
    """Work first, then rest."""
    with warm_stack(context.model_dir, **_SETTINGS) as warm:
        warm.drain.backlog(2000 if context.full else 400)
        just_after = at_rest(warm.stack, 60.0)
        rests = [
            at_rest(warm.stack, 60.0 if context.full else 30.0)
            for _ in range(5 if context.full else 1)
        ]
        plain = plain_tensorflow.start(context.model_dir).megabytes
    mine = [_replica(rest) for rest in rests]
    shares = [each / plain for each in mine]
    idle, first = [rest["cpuPercentTotal"] for rest in rests], just_after["cpuPercentTotal"]
    figures = [
        judged.at_most(GOAL, "memory of a replica / plain TensorFlow process", shares, 0.3),
        judged.at_most(GOAL, "CPU of the whole stack at rest, % of a core", idle, 3, "%"),
        judged.reported(GOAL, "CPU in the first minute after work", [first], "%"),
        judged.reported(GOAL, "memory of a replica", mine, "MB"),
        judged.reported(GOAL, "memory of a plain TensorFlow process", [plain], "MB"),
    ]
    details = {"justAfterWork": just_after, "rests": rests, "plainMegabytes": plain}
    return Outcome(figures, details, [_table(rests[-1])], [])


def _replica(rest: dict[str, Any]) -> float:
    memory = rest["memoryMegabytes"]
    return float(next(it["rss"] for name, it in memory.items() if name.startswith(CLASSIFIER)))


def _table(rest: dict[str, Any]) -> str:
    rows = [
        (name, it["rss"], it["pss"], rest["cpuPercent"].get(name))
        for name, it in rest["memoryMegabytes"].items()
    ]
    total = ("all", None, None, rest["cpuPercentTotal"])
    return table(("", "RSS, MB", "PSS, MB", "CPU, % of a core"), [*rows, total])
