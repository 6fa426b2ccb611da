"""`python -m bench`: measure goals and write RESULTS.md and results.json.

Without --full it is the short form of all, in ten minutes. A scenario that fails, by a wrong answer
or by anything else, fails the run; the others' figures are kept.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from bench.load.photos import INT8_MODEL, REAL_MODEL
from bench.progress import say
from bench.reporting import machine, records, report
from bench.reporting.judged import missing
from bench.scenario import Context, Figure, Outcome

_HERE = Path(__file__).parent


def main() -> int:
    """Return 0, or 1 when a scenario did not come to its end."""
    options = _parse()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    found: list[Figure] = []
    complete = True
    for goal, module in _chosen(options.only).items():
        say(f"\n{goal}: {(module.__doc__ or '').strip().partition(chr(10))[0]}")
        outcome = _measure(goal, module, options)
        complete = complete and bool(outcome.details)
        found += outcome.figures
        report.write(options.output)
    say(report.lines(map(asdict, found)))
    say(f"\nWritten to {options.output / 'RESULTS.md'}.")
    return 0 if complete else 1


def scenarios() -> dict[str, ModuleType]:
    """Import every scenario, in the order of the goals."""
    names = sorted(path.stem for path in (_HERE / "scenarios").glob("p[0-9][0-9]_*.py"))
    modules = [importlib.import_module(f"bench.scenarios.{name}") for name in names]
    return {module.GOAL: module for module in modules}


def _measure(goal: str, module: ModuleType, options: argparse.Namespace) -> Outcome:
    """Run one scenario and put what it found into the results."""
    about, started = machine.describe(), time.monotonic()
    outcome = _run(goal, module, options)
    seconds = time.monotonic() - started
    full = " --full" if options.full else ""
    command = f".venv/bin/python -m bench{full} --only {goal}"
    record = records.make(module, outcome, command, seconds, about)
    records.merge(options.output / "results.json", goal, record, full=options.full)
    say(f"{goal}: {seconds:.0f} s")
    return outcome


def _run(goal: str, module: ModuleType, options: argparse.Namespace) -> Outcome:
    with tempfile.TemporaryDirectory(prefix=f"bench-{goal.lower()}-") as scratch:
        context = Context(
            folder=options.output / report.PLOTS,
            full=options.full,
            model_dir=options.model_dir,
            int8_dir=options.int8_dir,
            scratch=Path(scratch),
            plant=options.plant,
        )
        try:
            outcome: Outcome = module.run(context)
        except Exception as error:
            # The outermost place: what went wrong with one goal must not lose the others' figures.
            traceback.print_exc()
            why = f"{type(error).__name__}: {error}".replace("\n", " ").replace("|", "/")[:300]
            return Outcome([missing(goal, "runs to its end", "no error", why)], {}, [], [])
    return outcome


def _chosen(only: list[str]) -> dict[str, ModuleType]:
    known = scenarios()
    if unknown := [goal for goal in only if goal not in known]:
        sys.exit(f"there is no goal {', '.join(unknown)}; there are: {', '.join(known)}")
    return {goal: module for goal, module in known.items() if not only or goal in only}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the figures as promised: hours")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="as in P2,P7")
    parser.add_argument("--output", type=Path, default=_HERE, help="folder of the two files")
    real, int8 = (each if each.is_dir() else None for each in (REAL_MODEL, INT8_MODEL))
    parser.add_argument("--model-dir", type=Path, default=real, help="folder of a float32 model")
    parser.add_argument("--int8-dir", type=Path, default=int8, help="of the same model in int8")
    parser.add_argument("--plant", default="", help="step of P2's profile to make 20 %% slower")
    options = parser.parse_args()
    if options.plant and options.output == _HERE:
        parser.error("what was planted is not to be kept: name another --output")
    return options


if __name__ == "__main__":
    sys.exit(main())
