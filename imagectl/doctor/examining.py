"""How checks are made: all at once, each in a budget of time, and one that hangs holds up none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from imagectl.doctor.finding import FAILED, Finding
from pipeline.errors import ModelRefused, PipelineError, SettingsError

Check = Callable[[], list[Finding]]


def examine(checks: Mapping[str, Check], budget_seconds: float) -> list[Finding]:
    """Make all checks; their findings in the order of the checks.

    Args:
        budget_seconds: what takes longer has failed, and is left behind.
    """
    running = [_Running(name, check) for name, check in checks.items()]
    deadline = time.monotonic() + budget_seconds
    return [found for each in running for found in each.findings(deadline, budget_seconds)]


class _Running:
    def __init__(self, name: str, check: Check) -> None:
        self._name = name
        self._check = check
        self._found: list[Finding] = []
        self._is_over = threading.Event()
        # A daemon: it ends with the process, whatever it waits for.
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def findings(self, deadline: float, budget_seconds: float) -> list[Finding]:
        if self._is_over.wait(max(0.0, deadline - time.monotonic())):
            return self._found
        found = f"no answer within {budget_seconds:g} s"
        change = f"end what {self._name} waits for, or raise --budget"
        return [Finding(self._name, FAILED, found, "an answer", change)]

    def _run(self) -> None:
        try:
            self._found = self._check()
        except (PipelineError, ModelRefused, SettingsError, OSError) as error:
            self._found = [Finding(self._name, FAILED, str(error), "an answer")]
        except Exception as error:
            # A bug of one check must not hide what the others found.
            found = f"the check broke off: {type(error).__name__}: {error}"
            self._found = [Finding(self._name, FAILED, found, "an answer")]
        self._is_over.set()
