"""Waits for parts that the supervisor starts, and says which became healthy or why one did not."""

from __future__ import annotations

import time

from local.services.progress import StepFailed, say, step
from local.services.settings import Stack
from local.services.supervision import logs, supervisor

_POLL_SECONDS = 0.05
_LONGEST_START_SECONDS = 120.0
_TOO_MANY_RESTARTS = 3
_LOG_LINES = 20
_READY = ("healthy", "done")


class Watch:
    """Follows one start of a stack; says of each part once that it is ready."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._started = time.monotonic()
        self._announced = set(self._ready())

    def wait(self, names: list[str]) -> None:
        """Return when all of these parts are ready.

        Raises:
            StepFailed: one cannot be started, or takes too long; shows the end of its log.
        """
        missing = self._missing(names)
        if not missing:
            return
        with step(f"Waiting for {', '.join(missing)}", lambda: ", ".join(missing)):
            while missing:
                self._check(missing)
                time.sleep(_POLL_SECONDS)
                missing = self._missing(names)

    def _missing(self, names: list[str]) -> list[str]:
        ready = self._ready()
        for name in [name for name in ready if name not in self._announced]:
            self._announced.add(name)
            say(f"    {name}: {ready[name]} after {time.monotonic() - self._started:.1f} s")
        return [name for name in names if name not in ready]

    def _ready(self) -> dict[str, str]:
        states = supervisor.states(self._stack)
        return {name: it["state"] for name, it in states.items() if it["state"] in _READY}

    def _check(self, missing: list[str]) -> None:
        states = supervisor.states(self._stack)
        if supervisor.running(self._stack) is None:
            raise failure(self._stack, supervisor.NAME, "ended")
        if unknown := [name for name in missing if states and name not in states]:
            raise StepFailed(f"The running stack has no {', '.join(unknown)}: `make down` first.")
        for name in missing:
            state = states.get(name, {})
            if state.get("state") == "failed":
                raise failure(self._stack, name, state["wrong"])
            if state.get("restarts", 0) >= _TOO_MANY_RESTARTS:
                raise failure(self._stack, name, "ends as often as it is started")
        if time.monotonic() - self._started > _LONGEST_START_SECONDS:
            wrong = states.get(missing[0], {}).get("wrong", "")
            raise failure(self._stack, missing[0], f"not ready after 120 s {wrong}")


def failure(stack: Stack, name: str, wrong: str) -> StepFailed:
    """A failed part, with the end of its log and what to do next."""
    lines = [f"    {line}" for line in logs.tail(stack.logs_dir / f"{name}.log", _LOG_LINES)]
    advice = f"The whole log: `make logs s={name}`. `make up` tries again."
    return StepFailed("\n".join([f"{name}: {wrong}", *lines, advice]))
