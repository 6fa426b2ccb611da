"""`python -m tests.suite`: every test, several files side by side, then a short storm.

The storm comes also when a test failed, and both outcomes are told. Arguments go to pytest.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

from tests.stack import ROOT

# Tests and storms wait more than they compute.
_FILES_AT_ONCE = "3"
_STORMS_AT_ONCE = "2"

# By file, as the tests of a file share what it starts; in the order of `testpaths`.
_TESTS = ("pytest", "-n", _FILES_AT_ONCE, "--dist", "loadfile", "--no-loadscope-reorder")
_STORM = ("tests.chaos", "--at-once", _STORMS_AT_ONCE)


@dataclass(frozen=True)
class Outcome:
    """How a part ended, and after how long; without a status it was not run."""

    name: str
    status: int | None
    seconds: float

    def __str__(self) -> str:
        if self.status is None:
            return f"{self.name:12} not run"
        said = f"FAILED with status {self.status}" if self.status else "passed"
        return f"{self.name:12} {said} after {self.seconds // 60:.0f} min {self.seconds % 60:.0f} s"


class Suite:
    """Runs parts one after the other; told to stop, it tells the part, which has stacks to stop."""

    def __init__(self) -> None:
        self._part: subprocess.Popen[bytes] | None = None
        self._is_stopped = False
        # A terminal's Ctrl-C reaches the part by itself.
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)

    def run(self, name: str, module: Sequence[str]) -> Outcome:
        """Run a module to its end."""
        if self._is_stopped:
            return Outcome(name, None, 0.0)
        began = time.monotonic()
        self._part = subprocess.Popen([sys.executable, "-m", *module], cwd=ROOT)
        return Outcome(name, self._part.wait(), time.monotonic() - began)

    def _stop(self, number: int, _: FrameType | None) -> None:
        self._is_stopped = True
        if self._part and number == signal.SIGTERM:
            self._part.send_signal(signal.SIGINT)  # at SIGTERM pytest would leave its stacks


def main(arguments: Sequence[str]) -> int:
    """Return 0, or 1 when a test failed or a guarantee did not hold."""
    suite = Suite()
    outcomes = [
        suite.run("tests", [*_TESTS, *arguments]),
        suite.run("short storm", _STORM),
    ]
    print("", *outcomes, sep="\n", flush=True)
    return 0 if all(outcome.status == 0 for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
