"""Images that were seen before cost next to nothing.

A backlog of images that are all new, then one of an image that has its result, each uploaded while
the consumer stands still: images/s of draining them. Then 1,000 uploads of one new image, 32 at a
time: how often the model was asked.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench import rounds
from bench.load.arrivals import Arrivals
from bench.load.client import Client, upload_all
from bench.load.drain import Images
from bench.measuring.warm import Warm, warm_stack
from bench.reporting import judged
from bench.reporting.figures import ratios
from bench.scenario import Context, Outcome
from bench.stacks.functions import CLASSIFIER, Functions

GOAL = "P11"

_CONCURRENT = 1000
_THREADS = 32


def run(context: Context) -> Outcome:
    """Measure the rates, then count."""
    unique, again = (1000, 10_000) if context.full else (400, 3000)
    with warm_stack(context.model_dir) as warm:
        log = warm.stack.shared / "inferences"
        log.touch()
        log.chmod(0o666)
        Functions(warm.stack).give(CLASSIFIER, {"INFERENCE_LOG": str(log)})
        seen = _same(warm, "seen before")
        warm.drain.backlog(100, seen)
        arms = {
            "unique": lambda: warm.drain.backlog(unique).images_per_second,
            "duplicates": lambda: warm.drain.backlog(again, seen).images_per_second,
        }
        found = rounds.shuffled(arms, 5 if context.full else 1)
        asked = _asked(warm, log)
    share = ratios(found["duplicates"], found["unique"])
    figures = [
        judged.at_least(GOAL, "duplicate images/s / unique images/s", share, 10),
        judged.exactly(GOAL, f"inferences for {_CONCURRENT:,} concurrent duplicates", asked, 1),
        judged.reported(GOAL, "duplicates drained", found["duplicates"], "images/s"),
    ]
    return Outcome(figures, {"rounds": found, "inferences": asked}, [], [])


def _same(warm: Warm, name: str) -> Images:
    image = warm.photo.numbered(name, 0)
    return lambda _: image


def _asked(warm: Warm, log: Path) -> int:
    """Upload one new image many times over; count what the classifier noted of it."""
    image = _same(warm, "concurrent")
    with Arrivals(warm.stack.settings) as arrivals:
        uploaded = upload_all(Client(warm.stack), image, _CONCURRENT, _THREADS)
        warm.drain.check(arrivals, uploaded.jobs)
    return log.read_text(encoding="utf-8").count(hashlib.sha256(image(0)).hexdigest())
