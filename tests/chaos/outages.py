"""Parts that are down for a while: frozen, with their connections open, or truly gone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial

from pipeline.names import FUNCTIONS
from tests.chaos.faults import kill
from tests.local_stack import LocalStack

Outage = Callable[[LocalStack, str], AbstractContextManager[None]]

# Far shorter than a replica takes from its birth to its first answer.
_LOOK_SECONDS = 0.01


@contextmanager
def frozen(stack: LocalStack, name: str) -> Iterator[None]:
    """Let a service or function answer nothing; whoever connects is let wait."""
    if name in FUNCTIONS:
        with _held_down(stack, name, partial(_signal_all, stack, name, signal.SIGSTOP)):
            yield
    else:
        with stack.frozen(name):
            yield


@contextmanager
def hung(stack: LocalStack, function: str) -> Iterator[None]:
    """Freeze a function, and kill it in the end: what it had begun by then is never finished."""
    struck = stack.living(function)
    with frozen(stack, function):
        try:
            yield
        finally:
            for process in [*struck, *stack.living(function)]:
                process.signal(signal.SIGKILL)


@contextmanager
def gone(stack: LocalStack, name: str) -> Iterator[None]:
    """Kill a service or function and let nothing take its place."""
    if name in FUNCTIONS:
        with _held_down(stack, name, lambda: kill(stack, name)):
            yield
    else:
        # What would start it again is asleep meanwhile.
        with stack.frozen("supervisor"):
            assert kill(stack, name), f"there is no {name} to kill"
            yield


@contextmanager
def _held_down(stack: LocalStack, name: str, strike: Callable[[], object]) -> Iterator[None]:
    """Freeze at birth whatever the provider starts in place of the replicas."""
    healed = threading.Event()

    def hold() -> None:
        while not healed.wait(_LOOK_SECONDS):
            _signal_all(stack, name, signal.SIGSTOP)

    strike()
    holder = threading.Thread(target=hold, name="holder")
    holder.start()
    try:
        yield
    finally:
        healed.set()
        holder.join()
        _signal_all(stack, name, signal.SIGCONT)


def _signal_all(stack: LocalStack, name: str, number: int) -> None:
    for process in stack.living(name):
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
