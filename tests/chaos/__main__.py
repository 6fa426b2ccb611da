"""`python -m tests.chaos`: run the goals, print a table, exit 1 when a guarantee did not hold.

Figures that a slow machine alone can break fail a run with --full, and are only shown without.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import ModuleType

from tests.chaos import report, side_by_side
from tests.chaos.findings import Finding, Size

_IN_CONTAINERS = ("R1",)
# What `make chaos` has time for; the others run with --full, or when they are named.
_SHORT = ("R1", "R2", "R3", "R6", "R7", "R11", "R13", "R14")
# So that none of these is the one that is left over, side by side.
_LONG = ("R13", "R3", "R1", "R2")


def main() -> int:
    """Return 0, or 1 when a goal did not hold or did not come to its end."""
    options = _parse()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    size = Size.FULL if options.full else Size.SHORT
    results = options.results or (report.RESULTS if options.full else None)
    chosen = _chosen(options)
    if options.at_once > 1 and len(chosen) > 1 and not results:
        found = _side_by_side(chosen, options)
    else:
        found = _one_by_one(chosen, size, options, results)
    if options.findings:
        side_by_side.save(options.findings, found)
    else:
        print(report.table(found))
    return 1 if not found or any(finding.is_broken(size) for finding in found) else 0


def _one_by_one(
    chosen: Mapping[str, ModuleType], size: Size, options: argparse.Namespace, results: Path | None
) -> list[Finding]:
    found: list[Finding] = []
    for goal, module in chosen.items():
        print(f"\n{goal}: {_summary(module)}", flush=True)
        started = time.monotonic()
        findings = _run(goal, module, size, options)
        found += findings
        seconds = time.monotonic() - started
        print(f"{goal}: {seconds:.0f} s", flush=True)
        if results:
            report.record(results, module, findings, size, seconds, options.images)
    if results:
        report.write(results)
    return found


def _side_by_side(chosen: Collection[str], options: argparse.Namespace) -> list[Finding]:
    given = {name: getattr(options, name) for name in ("seed", "images", "minutes")}
    words = [word for name, value in given.items() if value for word in (f"--{name}", str(value))]
    words += [f"--{name}" for name in ("compose", "keep") if getattr(options, name)]
    longest_first = [*(goal for goal in _LONG if goal in chosen), *(set(chosen) - set(_LONG))]
    with tempfile.TemporaryDirectory(prefix="chaos-findings-") as folder:
        found = side_by_side.run(longest_first, options.at_once, words, Path(folder))
    return sorted(found, key=lambda finding: list(chosen).index(finding.goal))


def goals() -> dict[str, ModuleType]:
    """Import every module of a goal, in the order of the goals."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("r[0-9][0-9]_*.py"))
    modules = [importlib.import_module(f"tests.chaos.{name}") for name in names]
    return {module.GOAL: module for module in modules}


def _chosen(options: argparse.Namespace) -> dict[str, ModuleType]:
    known = goals()
    wanted = options.only or (list(known) if options.full else _SHORT)
    if unknown := [goal for goal in options.only or () if goal not in known]:
        sys.exit(f"there is no goal {', '.join(unknown)}; there are: {', '.join(known)}")
    chosen = {goal: module for goal, module in known.items() if goal in wanted}
    if options.compose and (local := [goal for goal in chosen if goal not in _IN_CONTAINERS]):
        sys.exit(f"{', '.join(local)}: over processes alone; with --compose name --only R1")
    return chosen


def _run(goal: str, module: ModuleType, size: Size, options: argparse.Namespace) -> list[Finding]:
    """Run one goal in a folder of its own; what it raises is a finding too."""
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{goal.lower()}-"))
    try:
        findings: list[Finding] = module.run(size, folder, **_wanted(module.run, options))
    except Exception as error:
        traceback.print_exc()
        print(f"{goal}: what it left is kept in {folder}", flush=True)
        return [Finding(goal, "runs to its end", repr(error)[:300], "no error", False)]
    if all(finding.held for finding in findings) and not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"{goal}: what it left is kept in {folder}", flush=True)
    return findings


def _wanted(run: Callable[..., object], options: argparse.Namespace) -> dict[str, object]:
    """The options that were given and that this goal names among its parameters."""
    names = inspect.signature(run).parameters.keys() & {"seed", "images", "minutes", "compose"}
    given = {name: getattr(options, name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _summary(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().partition("\n")[0]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the figures as they are written")
    parser.add_argument("--only", type=lambda text: text.split(","), help="goals, as in R1,R3")
    parser.add_argument("--seed", type=int, help="of whatever is chosen at random")
    parser.add_argument("--images", type=int, help="accepted images, where a goal lets one choose")
    parser.add_argument("--minutes", type=float, help="of a soak")
    parser.add_argument("--compose", action="store_true", help="over containers; R1 can")
    parser.add_argument("--results", type=Path, help="file to update; docs/guarantees.json if full")
    parser.add_argument(
        "--at-once", type=int, default=1, help="goals side by side; without a record"
    )
    parser.add_argument("--findings", type=Path, help="file for the findings, instead of a table")
    parser.add_argument("--keep", action="store_true", help="keep the folders of what held, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
