"""A flood: uploads as fast as they are answered, until it is enough."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http import HTTPStatus
from itertools import count
from multiprocessing.synchronize import Event
from typing import Any

from bench.checks import BenchFailed
from bench.load.client import Client
from bench.load.drain import Images
from bench.progress import say
from bench.stacks.stack import BenchStack

_STOP_SECONDS = 60.0


@contextmanager
def flood(stack: BenchStack, image: Images, clients: int) -> Iterator[None]:
    """Upload inside the block, from a process of its own: what it costs, whoever measures has not.

    Raises:
        BenchFailed: an upload was refused for another reason than load.
    """
    context = multiprocessing.get_context("spawn")  # nothing of ours is shared by accident
    enough, accepted = context.Event(), context.Value("L", 0)
    process = context.Process(target=_upload, args=(stack, image, clients, enough, accepted))
    process.start()
    try:
        yield
    finally:
        enough.set()
        process.join(_STOP_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
    if process.exitcode:
        raise BenchFailed(f"the flood ended with {process.exitcode}")
    say(f"{accepted.value:,} uploads of the flood were accepted.")


def _upload(stack: BenchStack, image: Images, clients: int, enough: Event, accepted: Any) -> None:
    numbers = count()

    def work() -> None:
        while not enough.is_set():
            answer = client.upload(image(next(numbers)))
            enough.wait(answer.retry_after_seconds)
            with accepted.get_lock():
                accepted.value += answer.status == HTTPStatus.ACCEPTED

    with closing(Client(stack)) as client, ThreadPoolExecutor(clients) as pool:
        for each in [pool.submit(work) for _ in range(clients)]:
            each.result()
