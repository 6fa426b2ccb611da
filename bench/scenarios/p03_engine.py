"""Our engine is as fast as the fastest there is, and says what Keras says.

LiteRT, ONNX Runtime and OpenVINO run the same model with one thread on one core, each in a process
of its own, on crops of the fixture photos: images in a second of CPU. Ours is what the classifier
calls. The best label of every crop is compared with that of Keras in float32.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from bench import rounds
from bench.checks import BenchFailed
from bench.comparison import engines
from bench.comparison.engines import OTHERS, OURS, REFERENCE, Prepared
from bench.load.crops import LEAST, write_pictures
from bench.measuring.warm import models
from bench.reporting import judged
from bench.reporting.figures import median, ratios
from bench.reporting.report import table
from bench.scenario import Context, Figure, Outcome

GOAL = "P3"

_CROPS = 1000
# Smaller crops leave out what the photo shows: the share that int8 agrees on depends on that.
_LARGE = 0.6
_AGREEMENT = {"float32": 99.9, "int8": 98.0}


def run(context: Context) -> Outcome:
    """Race and compare every model."""
    crops, reference = _CROPS if context.full else 200, _keras_file(context)
    figures: list[Figure] = []
    details: dict[str, Any] = {"crops": crops}
    expected: dict[float, list[str]] = {}
    for name, folder in models(context).items():
        prepared = engines.prepare(folder or reference.parent, context.scratch / name)
        agreed: dict[float, float] = {}
        for least in (LEAST, _LARGE):
            pictures = context.scratch / f"{name}-{least}.npy"
            write_pictures(pictures, crops, prepared.side, least)
            # Float32 comes first: the labels are those of its model.
            if least not in expected:
                expected[least] = _said(REFERENCE, reference, prepared, pictures, crops)
            said = _said(OURS, prepared.file, prepared, pictures, crops)
            agreed[least] = engines.agreement(said, expected[least])
        raced = _race(prepared, pictures, context.full)
        details[name] = {"imagesPerSecond": raced, "agreementPercent": agreed}
        figures += _judge(name, raced, agreed, crops)
    tables = [text for name in models(context) for text in _table(name, details[name])]
    return Outcome(figures, details, tables, [])


def _keras_file(context: Context) -> Path:
    found = list(context.model_dir.glob("*.keras")) if context.model_dir else []
    if not found:
        raise BenchFailed("Keras is the reference: give --model-dir with a .keras file")
    return found[0]


def _said(engine: str, file: Path, prepared: Prepared, pictures: Path, crops: int) -> list[str]:
    return [prepared.labels[number] for number in engines.best(engine, file, pictures, crops)]


def _race(prepared: Prepared, pictures: Path, full: bool) -> dict[str, list[float]]:
    timed = 500 if full else 200
    race = partial(engines.images_per_second, file=prepared.file, pictures=pictures, count=timed)
    arms = {engine: partial(race, engine) for engine in (OURS, *OTHERS)}
    return rounds.shuffled(arms, 5 if full else 2)


def _judge(
    name: str, raced: dict[str, list[float]], agreed: dict[float, float], crops: int
) -> list[Figure]:
    fastest = max(OTHERS, key=lambda engine: median(raced[engine]))
    shares = ratios(raced[OURS], raced[fastest])
    what = f"our engine / the fastest, {name}"
    agrees = f"top-1 agreement with Keras float32, {name}"
    bar, note = _AGREEMENT[name], f"{crops:,} crops of {LEAST:.0%} to 100 % of the short side"
    large = f"{agrees}, crops of {_LARGE:.0%} and more"
    return [
        judged.at_least(GOAL, what, shares, 0.95, note=f"the fastest is {fastest}"),
        judged.at_least(GOAL, agrees, [agreed[LEAST]], bar, "%", note),
        judged.reported(GOAL, large, [agreed[_LARGE]], "%"),
    ]


def _table(name: str, found: dict[str, Any]) -> list[str]:
    rows = [
        (engine, round(median(rates), 1), round(1000 / median(rates), 2))
        for engine, rates in found["imagesPerSecond"].items()
    ]
    return [f"One thread, {name}:\n", table(("", "images a CPU second", "CPU ms an image"), rows)]
