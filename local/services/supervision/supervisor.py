"""The daemon that keeps a stack's parts running.

`python -m local.services.supervision.supervisor [part …]`
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

from local.machine import files, processes
from local.machine.processes import Process
from local.services.isolation.launching import Launching
from local.services.settings import Stack
from local.services.supervision import logs, parts
from local.services.supervision.supervised import Supervised
from pipeline.timeouts import chain

logger = logging.getLogger(__name__)

NAME = "supervisor"
_LONGEST_SLEEP_SECONDS = 0.5


class Supervisor:
    """Starts parts when what they need is ready, attends to them, stops them in reverse."""

    def __init__(self, stack: Stack, chosen: list[parts.Part]) -> None:
        self._stack = stack
        self._stopping = False
        self._published = ""
        self._woken, self._alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._logs = [
            stack.logs_dir / f"{name}.log" for name in (NAME, *(it.name for it in chosen))
        ]
        launching = Launching(stack)  # before there are threads
        self._parts = {part.name: Supervised(part, stack, launching, self._wake) for part in chosen}

    def run(self) -> None:
        """Keep the parts running until SIGTERM."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        # A closed terminal. Handled, not ignored: what is ignored, the services would inherit.
        signal.signal(signal.SIGHUP, lambda number, frame: None)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._alarm, warn_on_full_buffer=False)
        try:
            while not self._stopping:
                self._attend()
                self._sleep()
        finally:
            self._stop()

    def _attend(self) -> None:
        for supervised in self._parts.values():
            supervised.attend()
            if supervised.state == "waiting" and self._may_start(supervised):
                supervised.start()
        self._publish()
        logs.rotate(self._logs)

    def _may_start(self, supervised: Supervised) -> bool:
        return all(self._parts[needed].is_ready for needed in supervised.part.after)

    def _stop(self) -> None:
        for supervised in self._parts.values():
            supervised.note_stopping()
        self._publish()
        for supervised in reversed(self._parts.values()):
            logger.info("%s: stopping", supervised.part.name)
            supervised.stop()
            self._publish()

    def _publish(self) -> None:
        """Write what `up`, `down` and `status` read, when it changed."""
        states = {
            name: {"state": it.state, "wrong": it.wrong, "restarts": it.restarts}
            for name, it in self._parts.items()
        }
        text = json.dumps(states)
        if text == self._published:
            return
        try:
            files.write(state_file(self._stack), text)
        except OSError as error:  # the next round tries again
            logger.error("the state cannot be written: %s", error)
        else:
            self._published = text

    def _ask_to_stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it is awake already
            os.write(self._alarm, b"\0")

    def _sleep(self) -> None:
        """Until a signal, a child's end or a probe's news, but not for long: backoffs end too."""
        select.select([self._woken], [], [], _LONGEST_SLEEP_SECONDS)
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 4096)


def state_file(stack: Stack) -> Path:
    return stack.state_dir / "supervisor.json"


def states(stack: Stack) -> dict[str, dict[str, Any]]:
    """What the supervisor last said of its parts: state, what is wrong, restarts."""
    try:
        found: dict[str, dict[str, Any]] = json.loads(state_file(stack).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def is_stopping(stack: Stack) -> bool:
    """Whether it was told to end; then it starts nothing more."""
    return any(it["state"] in ("stopping", "stopped") for it in states(stack).values())


def running(stack: Stack) -> Process | None:
    return processes.recorded(stack.run_dir).get(NAME)


def main(names: list[str]) -> int:
    stack = Stack.from_env(os.environ)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        chain.check(os.environ)
        with files.lock(stack.state_dir / "supervisor.lock", wait=False):
            return _supervise(stack, names)
    except files.Busy as busy:
        logger.error("another supervisor runs this stack: process %s", busy)
        return 1
    except ValueError as error:
        logger.error("the timeouts do not fit together: %s", error)
        return 1


def _supervise(stack: Stack, names: list[str]) -> int:
    started = processes.start_time(os.getpid()) or 0
    processes.record(stack.run_dir, Process(NAME, os.getpid(), started))
    try:
        Supervisor(stack, parts.chosen(stack, names)).run()
    except Exception:
        logger.exception("the supervisor failed")
        return 1
    finally:
        processes.forget(stack.run_dir, NAME)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
