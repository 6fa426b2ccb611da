"""Our function answers images over HTTP at least as fast as model servers do.

Eight clients, each with its next image when it has an answer, on the cores that they share with
the servers. LitServe, BentoML and MLServer have two workers and what makes them faster, our
function has two replicas; all call the same decoding and the same engine with one thread, on the
same model. The peers are asked at their own port, with no gateway before them, and so are our
replicas, half of the clients at each: that ratio is judged. What the provider's hop and then that
of Nginx, with its keys, cost is told beside it, as is each peer at its documented defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench import rounds
from bench.checks import check_labels
from bench.comparison import environment
from bench.comparison.http_peers import PEERS, WORKERS, Peer
from bench.load.closed_loop import Target, closed_loop
from bench.measuring.warm import Warm, warm_stack
from bench.reporting import judged
from bench.reporting.figures import median, milliseconds, ratios
from bench.reporting.report import table
from bench.scenario import Context, Figure, Outcome
from bench.stacks.functions import CLASSIFIER, Functions, classifier_token
from bench.stacks.processes import spending
from local.machine import processes

GOAL = "P14"

_WARM_UP_SECONDS = 0.5
_OURS, _PROVIDER, _GATEWAY = "ours", "ours, provider", "ours, provider and Nginx"
_RAW = "RAW, 2 threads"
_DEFAULTS = "{}, defaults"

Found = dict[str, Any]
Arms = dict[str, Callable[[], Found]]


@dataclass(frozen=True)
class _Bench:
    """What every arm needs: where, how long."""

    warm: Warm
    context: Context

    @property
    def seconds(self) -> float:
        return 8.0 if self.context.full else 2.5


def run(context: Context) -> Outcome:
    """Measure every server in every round."""
    environment.python("peers")  # before the stack: its making may take minutes
    with warm_stack(context.model_dir) as warm:
        Functions(warm.stack).scale(CLASSIFIER, WORKERS)
        bench = _Bench(warm, context)
        arms: Arms = {**_ours(bench), **_peers(bench), _RAW: partial(_raw, warm)}
        found = rounds.shuffled(arms, 5 if context.full else 1)
    return Outcome(_judge(found), {"rounds": found}, [_table(found)], [])


def _ours(bench: _Bench) -> Arms:
    stack = bench.warm.stack
    recorded = processes.recorded(stack.run_dir).items()
    ports = [each.ports["http"] for name, each in recorded if name.startswith(CLASSIFIER)]
    secret = classifier_token(stack.settings)
    path, key = f"/function/{CLASSIFIER}", {"X-Api-Key": stack.api_key}
    direct = Target(ports, "/", secret)
    provider = Target([stack.ports["PROVIDER"]], path, secret)
    gateway = Target([stack.ports["GATEWAY"]], path, key)
    return {
        _OURS: partial(_measure, bench, direct, (CLASSIFIER,)),
        _PROVIDER: partial(_measure, bench, provider, (CLASSIFIER, "provider")),
        _GATEWAY: partial(_measure, bench, gateway, (CLASSIFIER, "provider", "nginx")),
    }


def _peers(bench: _Bench) -> Arms:
    return {
        name if tuned else _DEFAULTS.format(name): partial(_serve, bench, Peer(name, tuned))
        for name in PEERS
        for tuned in (True, False)
    }


def _serve(bench: _Bench, peer: Peer) -> Found:
    folder = bench.context.scratch / f"{peer.part}-{peer.tuned}"
    with peer.serving(bench.warm.stack, bench.warm.drain.new_images(), folder) as target:
        return _measure(bench, target, (peer.part,))


def _measure(bench: _Bench, target: Target, parts: tuple[str, ...]) -> Found:
    """Load it, warm; of CPU and memory only those of the parts that serve it are told."""
    warm, image = bench.warm, bench.warm.drain.new_images()
    first = closed_loop(target, image, _WARM_UP_SECONDS)
    with spending(warm.stack.run_dir) as spent:
        served = closed_loop(target, image, bench.seconds)
    check_labels(warm.labels, [*first.labels, *served.labels])
    used = spent.per_image(len(served.seconds))
    cpu, peak = (
        {name: each for name, each in used[what].items() if name.startswith(parts)}
        for what in ("cpuMillisecondsPerImage", "peakMegabytes")
    )
    return {
        "perSecond": round(served.per_second, 1),
        "latency": milliseconds(served.seconds),
        "refused": served.refused,
        "cpuMilliseconds": cpu,
        "peakMegabytes": peak,
    }


def _raw(warm: Warm) -> Found:
    return {"perSecond": warm.raw(150, WORKERS)["imagesPerSecond"]}


def _judge(found: dict[str, list[Found]]) -> list[Figure]:
    rates = {name: [each["perSecond"] for each in turns] for name, turns in found.items()}
    best = max(PEERS, key=lambda name: median(rates[name]))
    note, what = f"the best is {best}", "requests/s / best of the peers"
    return [
        judged.at_least(GOAL, what, ratios(rates[_OURS], rates[best]), 1.0, note=note),
        *(
            judged.reported(GOAL, f"the same, {name}", ratios(rates[name], rates[best]))
            for name in (_PROVIDER, _GATEWAY)
        ),
        judged.reported(GOAL, _OURS, rates[_OURS], "requests/s"),
        judged.reported(GOAL, best, rates[best], "requests/s"),
        *(
            judged.reported(GOAL, each, rates[each], "requests/s")
            for each in map(_DEFAULTS.format, PEERS)
        ),
    ]


def _table(found: dict[str, list[Found]]) -> str:
    rows = [(name, *_row(turns)) for name, turns in found.items()]
    columns = ("", "requests/s", "p50 ms", "p95 ms", "CPU ms a request", "peak MB", "refused")
    return table(columns, rows)


def _row(turns: list[Found]) -> tuple[float | None, ...]:
    rate = median([each["perSecond"] for each in turns])
    if "latency" not in turns[0]:
        return rate, None, None, None, None, None
    latency = (median([each["latency"][name] for each in turns]) for name in ("p50", "p95"))
    sums = (
        median([sum(each[what].values()) for each in turns])
        for what in ("cpuMilliseconds", "peakMegabytes")
    )
    return (
        rate,
        *(round(each, 1) for each in (*latency, *sums)),
        sum(each["refused"] for each in turns),
    )
