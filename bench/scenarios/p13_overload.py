"""Three times more than it can do does not make it do less.

What the stack does when eight clients upload as fast as they are answered is its capacity. Then
uploads come open loop at one and at three times of it, refused ones are not sent again: results
that arrive while they come, a second, are the goodput. Every accepted image is waited for. The
autoscaler is at work, as it is for users: a replica more is a larger share of short processors.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import Any

from bench import rounds
from bench.load.arrivals import Arrivals
from bench.load.client import Client
from bench.load.open_loop import open_loop
from bench.measuring.warm import Warm, warm_stack
from bench.progress import say
from bench.reporting import judged, svg
from bench.reporting.figures import median
from bench.reporting.report import table
from bench.scenario import Context, Outcome

GOAL = "P13"

_LOADS = (1.0, 3.0)
_ACCEPTED = 202
# Until the first results of a load have come, and those of the one before it are gone.
_SETTLING_SECONDS = 2.0

Found = dict[str, Any]


def run(context: Context) -> Outcome:
    """Measure the loads in turn."""
    seconds, count = (20.0, 5) if context.full else (10.0, 1)
    loads = (0.5, *_LOADS, 2.0) if context.full else _LOADS
    with warm_stack(context.model_dir, AUTOSCALE="1") as warm:
        capacity = warm.drain.end_to_end(1000 if context.full else 400)
        arms = {str(load): partial(_offer, warm, load * capacity, seconds) for load in loads}
        found = rounds.shuffled(arms, count)
    turns = zip(*found.values(), strict=True)
    best = [max(capacity, *(each["goodput"] for each in turn)) for turn in turns]
    shares = [it["goodput"] / most for it, most in zip(found["3.0"], best, strict=True)]
    lost = sum(each["lost"] for each_load in found.values() for each in each_load)
    figures = [
        judged.at_least(GOAL, "goodput at 3 × capacity / best", shares, 0.95),
        judged.exactly(GOAL, "accepted and lost", lost, 0, "one that does not come fails the goal"),
        judged.reported(GOAL, "capacity", [capacity], "images/s"),
    ]
    details = {"capacity": round(capacity, 1), "seconds": seconds, "loads": found}
    return Outcome(figures, details, [_table(found)], [_plot(context, found)])


def _offer(warm: Warm, per_second: float, seconds: float) -> Found:
    say(f"Offering {per_second:.0f} images a second for {seconds:g} s.")
    image = warm.drain.new_images()
    with closing(Client(warm.stack)) as client, Arrivals(warm.stack.settings) as arrivals:
        sent = open_loop(lambda number: client.upload(image(number)), per_second, seconds)
        jobs = [each.answer.body["jobId"] for each in sent if each.answer.status == _ACCEPTED]
        instants = warm.drain.check(arrivals, jobs)
    first = sent[0].intended + _SETTLING_SECONDS
    last = sent[0].intended + seconds
    return {
        "offered": round(per_second, 1),
        "goodput": sum(first <= at < last for at in instants) / (last - first),
        "accepted": len(jobs),
        "refused": len(sent) - len(jobs),
        "lost": len(jobs) - len(instants),
        "lateStartSeconds": round(max(each.began - each.intended for each in sent), 3),
        "clearedAfterSeconds": round(max(instants) - last, 1),
    }


def _table(found: dict[str, list[Found]]) -> str:
    columns = ("load", "offered/s", "goodput/s", "accepted", "refused", "cleared after, s")
    names = ("offered", "goodput", "accepted", "refused", "clearedAfterSeconds")
    rows = [
        (f"{load} ×", *(round(median([each[name] for each in turns]), 1) for name in names))
        for load, turns in found.items()
    ]
    return table(columns, rows)


def _plot(context: Context, found: dict[str, list[Found]]) -> str:
    points = sorted(
        (median([each["offered"] for each in turns]), median([each["goodput"] for each in turns]))
        for turns in found.values()
    )
    path = context.folder / "p13-overload.svg"
    return svg.lines(path, "Overload", ("offered images/s", "results/s"), {"goodput": points})
