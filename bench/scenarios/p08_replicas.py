"""More replicas do more: 32 stubs that sleep 50 ms an image do nearly 32 times the work of one.

The stub stands in the classifier's place, so what is measured is the consumer, the provider and
the calls, on the settings that everybody has. The real model goes from one replica to two beside
RAW from one thread to two: on two cores that also feed it that is reported, not judged.
"""

from __future__ import annotations

from functools import partial

from bench import rounds
from bench.load.drain import Drain
from bench.measuring.stubs import IMAGE_SECONDS, stub_stack
from bench.measuring.warm import Warm, warm_stack
from bench.reporting import judged, svg
from bench.reporting.figures import ratios
from bench.reporting.report import table
from bench.scenario import Context, Outcome
from bench.stacks.functions import CLASSIFIER, Functions

GOAL = "P8"

_MOST = 32
_EACH_SECONDS = 10.0
# Of few, the calls that end together at both ends are too large a part.
_FEWEST_IMAGES = 400

Rates = dict[str, list[float]]


def run(context: Context) -> Outcome:
    """Measure the stub, then the real model."""
    count = 5 if context.full else 1
    stub, real, raw = _stub(context, count), *_real(context, count)
    efficiency = [rate / _MOST for rate in ratios(stub[str(_MOST)], stub["1"])]
    what = "1 → 2 replicas, real model: times the images/s"
    figures = [
        judged.at_least(GOAL, f"stub, 1 → {_MOST} replicas: efficiency", efficiency, 0.95),
        judged.reported(GOAL, what, ratios(real["2"], real["1"])),
        judged.reported(GOAL, "RAW, 1 → 2 threads: the same", ratios(raw["2"], raw["1"])),
    ]
    details = {"stub": stub, "real": real, "raw": raw, "stubSeconds": IMAGE_SECONDS}
    rows = [(name, *map(round, rates)) for name, rates in stub.items()]
    columns = ("replicas", *(f"round {number + 1}, images/s" for number in range(count)))
    return Outcome(figures, details, [table(columns, rows)], [_plot(context, stub)])


def _stub(context: Context, count: int) -> Rates:
    replicas = (1, 2, 4, 8, 16, _MOST) if context.full else (1, _MOST)
    with stub_stack(_MOST) as (_, drain, functions):
        arms = {str(number): partial(_drain, drain, functions, number) for number in replicas}
        return rounds.shuffled(arms, count)


def _drain(drain: Drain, functions: Functions, replicas: int) -> float:
    functions.scale(CLASSIFIER, replicas)
    images = max(_FEWEST_IMAGES, round(replicas * _EACH_SECONDS / IMAGE_SECONDS))
    return drain.backlog(images).images_per_second


def _real(context: Context, count: int) -> tuple[Rates, Rates]:
    with warm_stack(context.model_dir) as warm:
        functions = Functions(warm.stack)
        arms = {str(number): partial(_real_drain, warm, functions, number) for number in (1, 2)}
        arms |= {f"raw {threads}": partial(_raw, warm, threads) for threads in (1, 2)}
        found = rounds.shuffled(arms, count)
    return {name: found[name] for name in "12"}, {name: found[f"raw {name}"] for name in "12"}


def _real_drain(warm: Warm, functions: Functions, replicas: int) -> float:
    functions.scale(CLASSIFIER, replicas)
    return warm.drain.backlog(500).images_per_second


def _raw(warm: Warm, threads: int) -> float:
    return float(warm.raw(300, threads)["imagesPerSecond"])


def _plot(context: Context, stub: Rates) -> str:
    measured = sorted((float(name), max(rates)) for name, rates in stub.items())
    linear = [(replicas, replicas / IMAGE_SECONDS) for replicas, _ in measured]
    path = context.folder / "p08-replicas.svg"
    series = {"measured": measured, "sleep alone": linear}
    return svg.lines(path, "Stub of 50 ms", ("replicas", "images/s"), series)
