"""What a replica is asked to find out whether it lives and is ready, from when, and how often."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from local.provider.refusal import Refused
from pipeline.timeouts.durations import in_seconds

HEALTH, READY = "com.openfaas.health.http.", "com.openfaas.ready.http."
PATH = "path"
# OpenFaaS knows both spellings, one for each kind of probe; either is taken for both.
DELAY = ("initialDelay", "initialDelaySeconds")
PERIOD = ("periodSeconds",)
USUAL_HEALTH, USUAL_READY = "/_/health", "/_/ready"
MAX_DELAY_SECONDS = 600.0
LEAST_PERIOD_SECONDS, MAX_PERIOD_SECONDS = 0.1, 300.0
MISSES = 3  # probes in a row without an answer that a replica survives


@dataclass(frozen=True)
class Probing:
    """How replicas of one version are probed.

    Attributes:
        ready_path: None where readiness is told by health alone.
        health_delay_seconds: before then nothing is asked.
        ready_delay_seconds: before then it is not ready.
        period_seconds: between two probes; None for as often as is usual.
    """

    health_path: str = USUAL_HEALTH
    ready_path: str | None = None
    health_delay_seconds: float = 0.0
    ready_delay_seconds: float = 0.0
    period_seconds: float | None = None

    @classmethod
    def of(cls, annotations: Mapping[str, str], knows_ready: bool) -> Probing:
        """Read the annotations, which `check` has passed.

        Args:
            knows_ready: whether the function's server answers at the usual path of readiness.
        """
        alive = number(annotations, HEALTH, DELAY, MAX_DELAY_SECONDS)
        ready = number(annotations, READY, DELAY, MAX_DELAY_SECONDS)
        periods = [
            number(annotations, family, PERIOD, MAX_PERIOD_SECONDS) for family in (HEALTH, READY)
        ]
        given = [seconds for seconds in periods if seconds is not None]
        usual_ready = USUAL_READY if knows_ready else None
        return cls(
            health_path=annotations.get(HEALTH + PATH, USUAL_HEALTH),
            ready_path=annotations.get(READY + PATH, usual_ready),
            health_delay_seconds=alive or 0.0,
            ready_delay_seconds=(alive if ready is None else ready) or 0.0,
            period_seconds=max(LEAST_PERIOD_SECONDS, min(given)) if given else None,
        )

    @property
    def first_seconds(self) -> float:
        """When the first probe is due."""
        return min(self.health_delay_seconds, self.ready_delay_seconds)

    @property
    def delay_seconds(self) -> float:
        """How much longer than others it takes to become ready."""
        return max(self.health_delay_seconds, self.ready_delay_seconds)

    def patience_seconds(self, usual_seconds: float) -> float:
        """Tell after how long without an answer a replica is given up."""
        misses = MISSES * (self.period_seconds or 0.0)
        return max(usual_seconds, misses) + self.health_delay_seconds


def check(annotations: Mapping[str, str]) -> None:
    """Raise Refused naming an annotation that cannot be kept."""
    for family in (HEALTH, READY):
        if not re.fullmatch(r"/[!-~]*", path := annotations.get(family + PATH, "/")):
            raise Refused(
                400, f"{family}{PATH} is {path[:80]!r}; it must be a path such as /healthz"
            )
        number(annotations, family, DELAY, MAX_DELAY_SECONDS)
        number(annotations, family, PERIOD, MAX_PERIOD_SECONDS)


def number(
    annotations: Mapping[str, str], family: str, names: tuple[str, ...], most_seconds: float
) -> float | None:
    """Read the first of these that is given, a duration; None where none is."""
    for name in names:
        if (text := annotations.get(family + name)) is None:
            continue
        seconds = in_seconds(text)
        if seconds is None or seconds > most_seconds:
            raise Refused(
                400,
                f"{family}{name} is {text[:80]!r}; it must be a duration of at most"
                f" {most_seconds:g} s, such as 30s or 1m",
            )
        return seconds
    return None
