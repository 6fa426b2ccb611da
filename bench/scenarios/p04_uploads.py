"""Uploads are answered at least half as fast as MinIO alone takes the same bytes.

Eight clients, each with one kept-alive connection, the consumer standing still: uploads answered
202 ÷ PUTs of the same bytes to MinIO at addresses that were signed before.
"""

from __future__ import annotations

from bench import rounds
from bench.load.bare_puts import BarePuts
from bench.load.client import Client, upload_all
from bench.measuring.warm import warm_stack
from bench.reporting import judged
from bench.reporting.figures import ratios
from bench.scenario import Context, Outcome

GOAL = "P4"

_THREADS = 8


def run(context: Context) -> Outcome:
    """Upload and put in turn, then let the consumer finish what was uploaded."""
    images = 3000 if context.full else 600
    with warm_stack(context.model_dir) as warm:
        puts, client = BarePuts(warm.stack, _THREADS), Client(warm.stack)
        with warm.drain.uploading() as jobs:

            def upload() -> float:
                uploaded = upload_all(client, warm.drain.new_images(), images, _THREADS)
                jobs.extend(uploaded.jobs)
                return uploaded.per_second

            def put() -> float:
                return puts.per_second(warm.drain.new_images(), images)

            found = rounds.shuffled({"uploads": upload, "puts": put}, 5 if context.full else 2)
    shares = ratios(found["uploads"], found["puts"])
    figures = [
        judged.at_least(GOAL, "uploads answered 202/s / bare MinIO PUT/s", shares, 0.5),
        judged.reported(GOAL, "uploads", found["uploads"], "uploads/s"),
        judged.reported(GOAL, "bare MinIO PUTs", found["puts"], "PUTs/s"),
    ]
    return Outcome(figures, {"images": images, **found}, [], [])
