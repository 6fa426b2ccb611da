"""`python -m local.services up | down | status | logs | clean | fetch`: what make's targets run."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from local.services import progress
from local.services.commands import down, status, up
from local.services.fetch import contents, wheels
from local.services.progress import StepFailed
from local.services.settings import SettingsError, Stack
from local.services.supervision import logs

_LINES_OF_ONE = 200
_LINES_OF_EACH = 20


def main() -> int:
    options = _parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup's SIGHUP
            signal.signal(number, _interrupt)
    try:
        return _run(Stack.from_env(os.environ), options)
    except BrokenPipeError:  # as in `make logs | head`
        progress.silence()
        return 0
    except (StepFailed, SettingsError, OSError) as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        _complain("Interrupted.")
        return 130


def _interrupt(number: int, frame: object) -> None:
    """End as on Ctrl-C, also when the terminal is closed; what was begun is undone in peace."""
    for other in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, lambda number, frame: None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    progress.end_running()
    raise KeyboardInterrupt


def _complain(text: str) -> None:
    try:
        print(f"\n{text}", file=sys.stderr, flush=True)
    except OSError:
        # Nobody is there to read it. What is still buffered must not fail again at the end: the
        # interpreter would then end with a status of its own.
        progress.silence(sys.stderr)


def _run(stack: Stack, options: argparse.Namespace) -> int:
    match options.command:
        case "up":
            return up.up(stack, options.model_dir or "", options.only)
        case "down":
            return down.down(stack)
        case "clean":
            return down.clean(stack, confirmed=options.yes)
        case "status":
            return status.status(stack)
        case "logs":
            return _logs(stack, options.name, follow=options.follow or sys.stdout.isatty())
        case _:
            return _fetch(stack, quiet=options.quiet)


def _fetch(stack: Stack, *, quiet: bool) -> int:
    up.fetch(stack)
    if not quiet:
        wheels.fetch(stack, Path(sys.executable))
        print(contents.text(stack), flush=True)
    return 0


def _logs(stack: Stack, name: str | None, *, follow: bool) -> int:
    paths = logs.find(stack.logs_dir, name)
    if not paths:
        known = ", ".join(path.stem for path in logs.find(stack.logs_dir, None)) or "none"
        raise StepFailed(f"There is no log of {name or 'any service'}; there are: {known}")
    widest = max(len(path.stem) for path in paths)
    lines = _LINES_OF_ONE if len(paths) == 1 else _LINES_OF_EACH
    for path in paths:
        for line in logs.tail(path, lines):
            print(f"{path.stem.ljust(widest)} | {line}", flush=True)
    if follow:
        for source, line in logs.follow(paths):
            print(f"{source.ljust(widest)} | {line}", flush=True)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.services", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="start the stack, or say that it runs")
    starting.add_argument("--model-dir", help="folder with a model and its labels; remembered")
    starting.add_argument("--only", nargs="+", default=[], help="start these parts, nothing else")
    commands.add_parser("down", help="stop the stack, in reverse order")
    commands.add_parser("status", help="tell every process, its health and its memory")
    showing = commands.add_parser("logs", help="show the last lines of the logs")
    showing.add_argument("name", nargs="?", help="a service, or a function")
    showing.add_argument("--follow", action="store_true", help="go on as lines are written")
    cleaning = commands.add_parser("clean", help="remove all that the stack keeps")
    cleaning.add_argument("--yes", action="store_true", help="do not ask")
    fetching = commands.add_parser("fetch", help="fetch and build what a start needs, and list it")
    fetching.add_argument("--quiet", action="store_true", help="what services need, and no list")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
