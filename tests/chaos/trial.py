"""One stack under watch: what is sent to it is in ledgers, and all of it is judged at the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.chaos import buckets, evidence, ledger, oracle, storm
from tests.chaos.checker import Verdict, check
from tests.chaos.ledger import Entry, Ledger
from tests.chaos.load import Load
from tests.chaos.pictures import Source, drawn
from tests.chaos.traces import Evidence
from tests.local_stack import LocalStack
from tests.stack import until

# Whatever is healing or on its way is waited for as long as a machine takes that has other work.
_PATIENCE_SECONDS = 300.0
# A Redis that answers late is left alone for a second: what it holds is then looked at anew. Where
# that would count, the classifier waits.
PATIENT_CACHE = {"CACHE_TIMEOUT_SECONDS": "30"}


class Trial:
    """Sends loads to a stack, one ledger each: the numbers of a load are its own."""

    def __init__(
        self,
        stack: LocalStack,
        folder: Path,
        *,
        counts_inferences: bool = True,
        classifier: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a fresh stack.

        Args:
            classifier: settings that image-classifier is given, where inferences are counted.
        """
        if counts_inferences:
            evidence.watch(stack, classifier)
        else:  # which saves a deployment
            buckets.keep_versions(stack)
        self.stack = stack
        self.sources = drawn()
        self._folder = folder
        self._ledgers: list[Path] = []
        self._finished = 0

    @contextmanager
    def load(
        self,
        sources: Sequence[Source] = (),
        threads: int = 4,
        per_second: float | None = None,
        poison: Source | None = None,
        poison_every: int = 100,
        series: str | None = None,
    ) -> Iterator[Load]:
        """Make a load of good pictures, or of those that are given; sending is up to the caller."""
        path = self._folder / f"ledger-{len(self._ledgers):03}.jsonl"
        self._ledgers.append(path)
        with Ledger(path) as written:
            yield Load(
                self.stack,
                written,
                sources or self.sources,
                threads,
                per_second,
                poison,
                poison_every,
                series,
            )

    def entries(self, first: int = 0) -> Iterator[Entry]:
        """Read what was sent, from this load on."""
        return itertools.chain.from_iterable(map(ledger.read, self._ledgers[first:]))

    def finish(self, seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait until every job accepted since the last time is completed or failed.

        Raises:
            AssertionError: one is not; its result or failure may still come.
        """
        first, self._finished = self._finished, len(self._ledgers)
        for entry in self.entries(first):
            if entry.job_id:
                self.stack.finished(entry.job_id, seconds)

    def recover(self, seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait until the stack is sound by itself."""
        until(self.stack.is_sound, seconds)

    def judge(
        self, drain_seconds: float = _PATIENCE_SECONDS, models: Sequence[str] = ()
    ) -> tuple[Verdict, Evidence]:
        """Wait until nothing is left to do, then compare what is there with what was promised.

        Args:
            models: ids of all models that jobs were accepted under; the current one when not given.
        """
        left = storm.collect(self.stack, drain_seconds)
        told = oracle.ask(
            self.stack.store, models or [oracle.current_model(self.stack.store)], self.sources
        )
        return check(self.entries(), left, told), left
