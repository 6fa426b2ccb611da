"""kill -9, now and then, of whatever a stack is made of: chosen by a seed, and written down."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from pipeline.names import FUNCTIONS

CONSUMER = "image-process-consumer"
AUTOSCALER = "classifier-autoscaler"
ASYNC_CALLS = "async-call-consumer"
# Every process of a stack but the supervisor, whose end is that of the stack.
TARGETS = (
    CONSUMER, AUTOSCALER, ASYNC_CALLS, *FUNCTIONS, "kafka", "minio", "redis", "nginx", "provider",
    "reconciler",
)  # fmt: skip


class Mortal(Protocol):
    """Whatever has parts that can be killed, as a stack has."""

    def kill(self, name: str, chooser: random.Random | None = None) -> int | None:
        """Kill a part as kill -9 does; its process id, or None when it is not alive."""


@dataclass(frozen=True)
class Kill:
    """One SIGKILL: of what, and when, seconds since 1970."""

    name: str
    pid: int
    at: float


class Killer:
    """Kills a random process every so many seconds, in a thread of its own.

    Every target has its turn before any has a second one. The same seed chooses the same names in
    the same order, as far as they are alive.
    """

    def __init__(
        self,
        stack: Mortal,
        seed: int,
        every_seconds: float = 5.0,
        targets: Sequence[str] = TARGETS,
        log: Path | None = None,
    ) -> None:
        """Prepare to kill.

        Args:
            log: gets a JSON line a kill.
        """
        self.kills: list[Kill] = []
        self._stack = stack
        self._random = random.Random(seed)
        self._every_seconds = every_seconds
        self._targets = list(targets)
        self._turns: list[str] = []
        self._log = log
        self._stopping = threading.Event()

    @property
    def summary(self) -> str:
        """How many were killed, by name."""
        counted = Counter(kill.name for kill in self.kills)
        return ", ".join(f"{name} {times}" for name, times in sorted(counted.items()))

    @contextmanager
    def killing(self) -> Iterator[None]:
        """Kill while the block runs.

        Raises:
            Exception: whatever ended the thread: a storm in which nobody is killed proves nothing.
        """
        self._stopping.clear()
        with ThreadPoolExecutor(1, thread_name_prefix="killer") as pool:
            working = pool.submit(self._work)
            try:
                yield
            finally:
                self._stopping.set()
        working.result()

    def _work(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            self.kill_one()

    def kill_one(self) -> Kill | None:
        """Kill one of the processes that are alive now; None when none of the targets is."""
        if not self._turns:
            self._turns = self._random.sample(self._targets, len(self._targets))
        found = (kill(self._stack, name, self._random) for name in (*self._turns, *self._targets))
        killed = next((each for each in found if each), None)
        if killed:
            with suppress(ValueError):  # whose turn it is may be on its way back itself
                self._turns.remove(killed.name)
            self.kills.append(killed)
            self._note(killed)
        return killed

    def _note(self, killed: Kill) -> None:
        if self._log:
            with self._log.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(killed)) + "\n")


def kill(stack: Mortal, name: str, chooser: random.Random | None = None) -> Kill | None:
    """Kill a service, or one of a function's replicas; None when none is alive."""
    at = time.time()
    pid = stack.kill(name, chooser)
    return Kill(name, pid, at) if pid else None
