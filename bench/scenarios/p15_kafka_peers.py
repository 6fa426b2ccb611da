"""Our consumer stores results as fast as others do, and many times faster than the usual loop.

The same backlog of images in MinIO and events in Kafka is worked off on all cores: by ours with two
replicas, by two workers of FastStream, at least once (its `ACK`), and by MLServer with two workers.
The peers are given our decoding, engine and client of MinIO, and do the same work there: fetch the
image, write the processed one and the result, then an event. They do less: no cache, no search for
results that are there, no check of the digest, no retries, and MLServer commits no offsets. The
loop of the example systems runs TensorFlow's `model.predict` in float32 for every message, commits
as the client pleases and writes a result alone; it is given fewer images and rates are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from bench import rounds
from bench.comparison import environment
from bench.comparison.http_peers import WORKERS
from bench.comparison.kafka_peers import ExampleLoop, FastStream, MLServer, Peer
from bench.measuring.warm import Warm, models, warm_stack
from bench.reporting import judged
from bench.reporting.figures import median, ratios
from bench.reporting.report import table
from bench.scenario import Context, Figure, Outcome
from bench.stacks.functions import CLASSIFIER, Functions

GOAL = "P15"

_OURS, _LOOP = "ours", "example loop"
_PEERS: dict[str, type[Peer]] = {"FastStream": FastStream, "MLServer": MLServer}
_BARS = {"float32": 5.0, "int8": 8.0}
# Images without a result would be looked for and sent to our consumer.
_SETTINGS = {"RECONCILE_EVERY_SECONDS": "0"}

_NO_KERAS = "the loop needs a .keras model; give --model-dir"
# CPU milliseconds an image.
_LEAST = 0.1
_TURNS = count()

Found = dict[str, Any]
# Makes a peer of the name of its turn.
Start = Callable[..., Peer]
Arms = dict[str, Callable[[], Found]]


def run(context: Context) -> Outcome:
    """Measure float32 beside all, int8 beside the loop."""
    environment.python("peers")  # before the stack: its making may take minutes
    found = {name: _measure(name, folder, context) for name, folder in models(context).items()}
    figures = [figure for name, turns in found.items() for figure in _judge(name, turns)]
    tables = [text for name, turns in found.items() for text in _tables(name, turns)]
    return Outcome(figures, {"rounds": found}, tables, [])


def _measure(name: str, folder: Path | None, context: Context) -> dict[str, list[Found]]:
    ours, theirs, loop = (2000, 1000, 150) if context.full else (300, 200, 20)
    with warm_stack(folder, **_SETTINGS) as warm:
        Functions(warm.stack).scale(CLASSIFIER, WORKERS)
        arms: Arms = {_OURS: partial(_drain, warm, ours)}
        for peer, start in _peers(name, warm, context).items():
            arms[peer] = partial(_turn, start, peer, loop if peer == _LOOP else theirs)
        return rounds.shuffled(arms, 5 if context.full else 1)


def _peers(name: str, warm: Warm, context: Context) -> dict[str, Start]:
    """Make what starts each: the peers once, the loop beside every model of ours."""
    peers = {} if name == "int8" else _PEERS
    starts: dict[str, Start] = {
        peer: partial(kind, warm, folder=context.scratch / peer) for peer, kind in peers.items()
    }
    if context.model_dir and list(context.model_dir.glob("*.keras")):
        folder = context.scratch / f"loop-{name}"
        starts[_LOOP] = partial(ExampleLoop, warm, folder=folder, model_dir=context.model_dir)
    return starts


def _turn(start: Start, peer: str, images: int) -> Found:
    return start(turn=f"{peer.lower().replace(' ', '-')}-{next(_TURNS)}").drain(images)


def _drain(warm: Warm, images: int) -> Found:
    drained = warm.drain.backlog(images)
    rate = round(drained.images_per_second, 1)
    return {"imagesPerSecond": rate, **drained.draining.per_image(images)}


def _judge(name: str, turns: dict[str, list[Found]]) -> list[Figure]:
    rates = {arm: [each["imagesPerSecond"] for each in found] for arm, found in turns.items()}
    figures: list[Figure] = []
    peers = [peer for peer in _PEERS if peer in rates]
    if peers:
        best = max(peers, key=lambda peer: median(rates[peer]))
        shares = ratios(rates[_OURS], rates[best])
        what, note = f"images/s / best of {' and '.join(peers)}, {name}", f"the best is {best}"
        figures.append(judged.at_least(GOAL, what, shares, 1.0, note=note))
    figures.append(_beside_loop(name, rates))
    for arm, each in rates.items():
        what = f"{arm}, {name}" if arm == _OURS else f"{arm}, beside {name}"
        figures.append(judged.reported(GOAL, what, each, "images/s"))
    return figures


def _beside_loop(name: str, rates: dict[str, list[float]]) -> Figure:
    what, bar = f"images/s, {name} / example loop, float32", _BARS.get(name)
    if _LOOP not in rates:
        return judged.missing(GOAL, what, f">= {bar:g}" if bar else "reported", _NO_KERAS)
    shares = ratios(rates[_OURS], rates[_LOOP])
    return judged.at_least(GOAL, what, shares, bar) if bar else judged.reported(GOAL, what, shares)


def _tables(name: str, turns: dict[str, list[Found]]) -> list[str]:
    """Tell CPU by process, the last round: what used next to nothing is left out."""
    last = {arm: found[-1]["cpuMillisecondsPerImage"] for arm, found in turns.items()}
    parts = sorted({part for cpu in last.values() for part, used in cpu.items() if used >= _LEAST})
    rows = [(part, *(cpu.get(part) for cpu in last.values())) for part in parts]
    sums = [round(sum(cpu.values()), 1) for cpu in last.values()]
    title = f"CPU milliseconds an image by process, the last round, {name}:\n"
    return [title, table(("", *last), [*rows, ("all", *sums)])]
