"""Our autoscaler at a gateway: from one replica to the most that there may be, and back."""

from __future__ import annotations

import tempfile
from pathlib import Path

from autoscaler import Autoscaler
from pipeline.kafka.backlog import BacklogProbe, Reading
from pipeline.settings import Settings
from replicas import Replicas
from tests.openfaas.case import case
from tests.openfaas.door import REPLICA_SECONDS, Door
from tests.openfaas.facts import Facts
from tests.stack import until

BACKLOG = {"com.openfaas.scale.type": "backlog"}
IMAGES_A_SECOND = 10  # of one replica


class Backlog(BacklogProbe):
    """So many images wait, however many are done."""

    def __init__(self) -> None:
        self.waiting, self.passed = 3_000, 0

    def read(self) -> Reading:
        return Reading(self.waiting, self.passed)


class Driver:
    """The autoscaler of a door's guest, at a clock that it moves by itself."""

    def __init__(self, door: Door, secrets: Path) -> None:
        for name, value in zip(("user", "password"), door.login, strict=True):
            (secrets / f"basic-auth-{name}").write_text(value)
        settings = Settings(
            openfaas_url=door.url,
            secrets_dir=str(secrets),
            autoscaler_drain_seconds=10.0,
            autoscaler_cool_down_seconds=5.0,
        )
        self.backlog = Backlog()
        self._door, self._seconds = door, 0.0
        replicas = Replicas(settings, door.guest)
        self._autoscaler = Autoscaler(settings, self.backlog, replicas, lambda: self._seconds)

    def until(self, replicas: int) -> str:
        """Look once a second until so many replicas serve, and some more; return what it says."""

        def is_there() -> bool:
            self._look()
            return self._door.replicas(self._door.guest) == (replicas, replicas)

        until(is_there, REPLICA_SECONDS)
        for _ in range(10):
            self._look()
        assert self._autoscaler.why_unhealthy() is None
        return self._autoscaler.message()

    def _look(self) -> None:
        self._seconds += 1
        if self.backlog.waiting:
            self.backlog.passed += IMAGES_A_SECOND * self._door.replicas(self._door.guest)[1]
        self._autoscaler.look()


@case
def our_autoscaler_from_one_to_the_cap_and_back(door: Door) -> Facts:
    with tempfile.TemporaryDirectory() as secrets, door.deployed(door.guest, labels=BACKLOG):
        driver = Driver(door, Path(secrets))
        at_the_cap = driver.until(5)
        driver.backlog.waiting = 0
        afterwards = driver.until(1)
    need, cap, _ = at_the_cap.split(", ")
    return {
        "says at the cap": f"{need.split()[0]} more, {cap}",
        "says afterwards": afterwards,
    }


CASES = (our_autoscaler_from_one_to_the_cap_and_back,)
