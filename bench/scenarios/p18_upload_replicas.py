"""More replicas of image-upload take more uploads, as long as there are cores for them.

Eight clients for each replica, in a process for two replicas, each with one kept-alive connection,
the consumer standing still: uploads answered 202 a second with 1, 2, 4 and 8 replicas of
image-upload, as many of these as there are cores. Which part is the limit is told by the cores
that each part keeps busy meanwhile.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from functools import partial
from typing import Any

from bench import rounds
from bench.load.uploaders import upload_from
from bench.measuring.warm import Warm, warm_stack
from bench.reporting import judged, svg
from bench.reporting.figures import median, ratios
from bench.reporting.report import table
from bench.scenario import Context, Outcome
from bench.stacks.fitting import fitting
from bench.stacks.functions import CLASSIFIER, Functions
from bench.stacks.processes import Spent, spending

GOAL = "P18"

_UPLOAD = "image-upload"
_REPLICAS = (1, 2, 4, 8)
_CLIENTS = 8  # for each replica
_REPLICAS_A_PROCESS = 2
# For each replica.
_IMAGES = {False: 400, True: 2000}
_WORTH_A_COLUMN = 0.05  # of a core

Arm = dict[str, Any]


def run(context: Context) -> Outcome:
    """Upload to each number of replicas; classify it all at the end, with all cores."""
    counts, cores = fitting(_REPLICAS), len(os.sched_getaffinity(0))
    with warm_stack(context.model_dir, CLASSIFIER_MAX_REPLICAS=str(cores)) as warm:
        functions, images = Functions(warm.stack), _IMAGES[context.full]
        with warm.drain.uploading() as jobs:
            arms = {
                str(count): partial(_upload, warm, functions, count, count * images, jobs)
                for count in counts
            }
            found = rounds.shuffled(arms, 5 if context.full else 1)
            functions.scale(CLASSIFIER, cores)
    rates = {count: [each["uploadsPerSecond"] for each in arm] for count, arm in found.items()}
    figures = [
        judged.reported(GOAL, f"uploads, {count} replicas on {cores} cores", each, "uploads/s")
        for count, each in rates.items()
    ]
    more = str(max(counts))
    what = f"uploads/s, {more} replicas ÷ 1"
    figures.append(judged.reported(GOAL, what, ratios(rates[more], rates["1"])))
    details = {"cores": cores, **found}
    return Outcome(figures, details, [_table(found)], [_plot(context, rates)])


def _upload(warm: Warm, functions: Functions, count: int, images: int, jobs: list[str]) -> Arm:
    functions.scale(_UPLOAD, count)
    processes = -(-count // _REPLICAS_A_PROCESS)
    image, threads = warm.drain.new_images(), _CLIENTS * count // processes
    with spending(warm.stack.run_dir) as spent:
        uploaded = upload_from(warm.stack, image, images, processes, threads)
    jobs.extend(uploaded.jobs)
    seconds = uploaded.ended - uploaded.started
    return {
        "uploadsPerSecond": round(uploaded.per_second, 1),
        "refused": uploaded.refused,
        "busyCores": {part: round(used / seconds, 2) for part, used in _by_part(spent).items()},
    }


def _by_part(spent: Spent) -> Counter[str]:
    """Sum up what replicas of one function used."""
    found: Counter[str] = Counter()
    for name, seconds in spent.cpu_seconds.items():
        found[re.sub(r"-\d+$", "", name)] += seconds  # type: ignore[assignment]
    return found


def _table(found: dict[str, list[Arm]]) -> str:
    parts = sorted(
        {
            part
            for arm in found.values()
            for part, cores in arm[-1]["busyCores"].items()
            if cores >= _WORTH_A_COLUMN
        }
    )
    rows = [
        (
            count,
            round(median([each["uploadsPerSecond"] for each in arm])),
            *(arm[-1]["busyCores"].get(part) for part in parts),
        )
        for count, arm in found.items()
    ]
    return table(("replicas", "uploads/s", *(f"cores of {part}" for part in parts)), rows)


def _plot(context: Context, rates: dict[str, list[float]]) -> str:
    series = {"uploads/s": [(float(count), median(each)) for count, each in rates.items()]}
    path = context.folder / "p18-uploads.svg"
    return svg.lines(path, "Replicas of image-upload", ("replicas", "uploads/s"), series)
