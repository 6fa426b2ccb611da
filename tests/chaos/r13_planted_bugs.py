"""The checker itself: eight bugs planted one by one, each of which it must call by its name.

The same storms on the code as it is must find nothing.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.checker import Verdict
from tests.chaos.findings import Finding, Size
from tests.chaos.planted import BUGS, Bug, plant
from tests.chaos.small_storms import SmallStorms
from tests.chaos.storm import findings_of
from tests.chaos.trial import Trial
from tests.local_stack import running_stack

GOAL = "R13"

# How long a planted bug has to commit what it must not: it does so soon, on a busy machine late.
_COMMIT_SECONDS = 60.0


def run(size: Size, folder: Path) -> list[Finding]:
    """Storm the code with each bug, then the code without any."""
    caught = [_catch(bug, folder / f"bug-{number}") for number, bug in enumerate(BUGS)]
    number = sum(finding.held for finding in caught)
    every = list(dict.fromkeys(bug.storm for bug in BUGS))
    clean = _storm(None, every, folder / "clean")
    total = f"{number} of {len(BUGS)}"
    return [
        *caught,
        Finding(GOAL, "planted bugs caught", total, f"{len(BUGS)}", number == len(BUGS)),
        *findings_of(GOAL, "the same storms without a bug", clean),
    ]


def _catch(bug: Bug, folder: Path) -> Finding:
    started = time.monotonic()
    violations = _storm(bug, [bug.storm], folder).violations
    named = [name for name in bug.called if name in violations]
    said = ", ".join(f"{len(found)} {name}" for name, found in violations.items()) or "nothing"
    example = violations[named[0]][0] if named else said
    print(f"  {GOAL} {bug.name}: {example} ({time.monotonic() - started:.0f} s)", flush=True)
    allowed = " or ".join(bug.called).replace("_", " ")
    return Finding(GOAL, f"{bug.name}; {bug.storm}", said.replace("_", " "), allowed, bool(named))


def _storm(bug: Bug | None, storms: Sequence[str], folder: Path) -> Verdict:
    """Run storms on a stack of a copy of the checkout."""
    copy = plant(bug, folder / "checkout")
    with running_stack(folder / "state", root=copy) as stack:
        trial = Trial(stack, folder, counts_inferences=False)
        small = SmallStorms(trial, folder, _COMMIT_SECONDS) if bug else SmallStorms(trial, folder)
        for name in storms:
            small.named[name]()
        verdict, _ = trial.judge(models=small.models)
    shutil.rmtree(copy)
    return verdict
