"""Small storms, each of which one kind of bug does not survive."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from tests.chaos import evidence, oracle, outages
from tests.chaos.faults import CONSUMER, kill
from tests.chaos.ledger import Entry
from tests.chaos.pictures import poison
from tests.chaos.refusals import have_failed, refusing
from tests.chaos.trial import PATIENT_CACHE, Trial
from tests.imagectl import added, use
from tests.stack import ROOT, until

_IMAGES = 12
_POISON_EVERY = 4
_SEND_SECONDS = 300.0
_TRY_SECONDS = 300.0
# Commits are made five times a second, letters tried twice: time enough for a wrong one to show.
_WATCH_SECONDS = 2.0
# A producer gives up after 1.5 s; a broker that may come back is not there before that.
_BROKER_SECONDS = 1.0


class SmallStorms:
    """Runs storms by their names on one stack.

    Attributes:
        models: ids of all models that jobs were accepted under.
    """

    def __init__(self, trial: Trial, folder: Path, watch_seconds: float = _WATCH_SECONDS) -> None:
        """Prepare storms.

        Args:
            watch_seconds: how long is waited for a commit that must not be; one ends the wait.
        """
        self._watch_seconds = watch_seconds
        self._trial = trial
        self._stack = trial.stack
        self._folder = folder
        self.models = [oracle.current_model(trial.stack.store)]

    @property
    def named(self) -> Mapping[str, Callable[[], None]]:
        """The storms by their names."""
        return {
            "poison": self._poison,
            "letters refused": self._letters_refused,
            "classifier hangs": self._classifier_hangs,
            "broker dies": self._broker_dies,
            "two models": self._two_models,
        }

    def _poison(self) -> None:
        """Some images cannot be decoded."""
        self._upload(_IMAGES, poison_every=_POISON_EVERY)

    def _letters_refused(self) -> None:
        """The dead-letter topic takes nothing for a while."""
        with refusing(self._stack):
            entries = self._upload(_POISON_EVERY, poison_every=1)
            assert entries, "no poison was accepted"
            until(lambda: have_failed(self._stack, entries), _TRY_SECONDS)
            self._watch_commits()

    def _classifier_hangs(self) -> None:
        """The classifier answers nothing, then it and all who wait for it die in the middle."""
        with outages.hung(self._stack, "image-classifier"):
            self._upload(_IMAGES)
            self._watch_commits()
            # The consumer first: it must not learn that the others died. The provider then, which
            # would hand the calls on to the next replica, and store what nobody waits for any more.
            kill(self._stack, CONSUMER)
            kill(self._stack, "provider")
        self._trial.recover()

    def _broker_dies(self) -> None:
        """Kafka dies, and uploads go on."""
        with outages.gone(self._stack, "kafka"):
            self._upload(_IMAGES, _BROKER_SECONDS)
        self._trial.recover()

    def _two_models(self) -> None:
        """The same images are sent again under another model."""
        self._stack.give("image-classifier", **PATIENT_CACHE)
        self._upload(_IMAGES, series="twice")
        self._trial.finish()
        self.models.append(added(self._stack, self._second_model()))
        use(self._stack, self.models[-1])
        self._upload(_IMAGES, series="twice")

    def _upload(
        self,
        images: int,
        seconds: float = _SEND_SECONDS,
        poison_every: int | None = None,
        series: str | None = None,
    ) -> list[Entry]:
        before = sum(1 for _ in self._trial.entries())
        bad = poison() if poison_every else None
        with self._trial.load(
            poison=bad, poison_every=poison_every or images, series=series
        ) as load:
            load.run(images, seconds)
        return [entry for entry in list(self._trial.entries())[before:] if entry.is_accepted]

    def _watch_commits(self) -> None:
        """Give a wrong commit the time to be made."""
        deadline = time.monotonic() + self._watch_seconds
        while time.monotonic() < deadline and evidence.lag(self._stack) != 0:
            time.sleep(0.1)

    def _second_model(self) -> Path:
        """The demonstration model under another name, which makes it another model."""
        folder = self._folder / "second-model"
        shutil.copytree(ROOT / "models" / "demonstration", folder)
        manifest = folder / "model.yaml"
        values = yaml.safe_load(manifest.read_text(encoding="utf-8")) | {"name": "second"}
        manifest.write_text(yaml.safe_dump(values), encoding="utf-8")
        return folder
