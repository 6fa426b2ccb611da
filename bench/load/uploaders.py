"""Uploads from several processes at once: one client process is a core, and then the limit."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from threading import Barrier

from bench.load.client import Client, Uploaded, upload_all
from bench.load.drain import Images
from bench.stacks.stack import BenchStack

_START_SECONDS = 60.0

_together: Barrier


def upload_from(
    stack: BenchStack, image: Images, images: int, processes: int, threads: int
) -> Uploaded:
    """Upload as fast as images are accepted, with so many threads in each of the processes."""
    context = multiprocessing.get_context("spawn")  # nothing of ours is shared by accident
    together = context.Barrier(processes)
    share = images // processes
    work = partial(_upload, stack, image, share, threads)
    with ProcessPoolExecutor(processes, context, _meet, (together,)) as pool:
        found = list(pool.map(work, range(processes)))
    return Uploaded(
        [job for each in found for job in each.jobs],
        sum(each.refused for each in found),
        min(each.started for each in found),
        max(each.ended for each in found),
    )


def _meet(together: Barrier) -> None:
    global _together
    _together = together


def _upload(stack: BenchStack, image: Images, share: int, threads: int, part: int) -> Uploaded:
    _together.wait(_START_SECONDS)  # each has a process of its own by then
    return upload_all(Client(stack), lambda number: image(part * share + number), share, threads)
