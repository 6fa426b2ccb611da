"""`make down` and `make clean`: the services end in reverse order; the data stay until cleaned."""

from __future__ import annotations

import shutil
import signal
import sys
import time

from local.machine import processes
from local.services.commands import turns
from local.services.progress import StepFailed, say
from local.services.settings import Stack
from local.services.supervision import supervisor

_POLL_SECONDS = 0.05
_LONGEST_STOP_SECONDS = 180.0  # longer than all grace periods of the parts together
_LEFTOVER_GRACE_SECONDS = 3.0  # for all together: they were told when their supervisor was killed


def down(stack: Stack) -> int:
    """Stop the stack; says so when it is not running."""
    if not (stack.state_dir.exists() and _stop_alone(stack)):
        say("The stack is not running.")
        return 0
    say(f"The stack is down. Its data are kept in {stack.state_dir}; `make up` goes on with them.")
    return 0


def stop(stack: Stack) -> bool:
    """Stop the supervisor, which stops its parts; then whatever is left. False if nothing ran."""
    running = supervisor.running(stack)
    if running is None:
        return end_leftovers(stack)
    say("Stopping …")
    running.signal(signal.SIGTERM)
    said: set[str] = set()
    deadline = time.monotonic() + _LONGEST_STOP_SECONDS
    while running.is_alive() and time.monotonic() < deadline:
        _say_stopped(stack, said)
        time.sleep(_POLL_SECONDS)
    _say_stopped(stack, said)
    end_leftovers(stack)
    return True


def clean(stack: Stack, *, confirmed: bool) -> int:
    """Stop the stack and remove all that it keeps, after asking.

    Raises:
        StepFailed: nobody is there to ask, or the folder was not made by `make up`.
    """
    if not stack.state_dir.exists():
        say(f"There is nothing to remove: {stack.state_dir} does not exist.")
        return 0
    if not turns.up_lock(stack).exists():
        raise StepFailed(f"{stack.state_dir} was not made by `make up`; it is left alone.")
    if not confirmed and not _is_agreed(stack):
        say("Nothing was removed.")
        return 1
    with turns.stopping(stack):
        stop(stack)
        shutil.rmtree(stack.state_dir)
    say(f"Removed {stack.state_dir}. The cache is kept, for the next stack: {stack.cache_dir}")
    return 0


def end_leftovers(stack: Stack) -> bool:
    """End the processes of a stack whose supervisor was killed. False if there are none."""
    left = processes.survivors(stack.run_dir)
    if left:
        names = ", ".join(f"{process.name} ({process.pid})" for process in left)
        say(f"Ending what a killed stack left running: {names}")
    for process in left:
        process.signal(signal.SIGTERM)
    deadline = time.monotonic() + _LEFTOVER_GRACE_SECONDS
    for process in left:
        processes.end(process, deadline - time.monotonic())
    _remove_traces(stack)
    return bool(left)


def _stop_alone(stack: Stack) -> bool:
    with turns.stopping(stack):
        return stop(stack)


def _remove_traces(stack: Stack) -> None:
    """Remove the run files, and the replicas' own folders: secrets and temporary files."""
    for folder in (stack.run_dir, stack.replicas_dir):
        for path in folder.glob("*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _say_stopped(stack: Stack, said: set[str]) -> None:
    for name, state in reversed(supervisor.states(stack).items()):
        if state["state"] == "stopped" and name not in said:
            said.add(name)
            say(f"  {name}: stopped")


def _is_agreed(stack: Stack) -> bool:
    if not sys.stdin.isatty():
        raise StepFailed("`make clean` asks before it removes data; without a terminal: YES=1.")
    question = f"Remove {stack.state_dir}, with all images, results, events and keys? [y/N] "
    return input(question).strip().lower() in ("y", "yes")
