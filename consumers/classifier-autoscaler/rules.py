"""What a function's labels say of scaling it by its requests, in OpenFaaS' words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from decision import Bounds

LABEL = "com.openfaas.scale."
RPS, CAPACITY = "rps", "capacity"
BACKLOG = "backlog"  # a rule of our own: autoscaler.py

# OpenFaaS' own defaults.
_LEAST, _MOST, _TARGET, _PROPORTION, _IDLE = "1", "20", "50", "0.9", "15m"
_MOST_REPLICAS = 10_000
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|s|m|h))+")
_PART = re.compile(r"([0-9.]+)(ms|s|m|h)")


class WrongLabel(ValueError):
    """A label says nothing that can be done; the text names it and what is allowed."""


@dataclass(frozen=True)
class Rule:
    """How one function is scaled.

    Attributes:
        kind: RPS counts requests a second, CAPACITY those in flight; "" is not scaled by them.
        per_replica: how much of it one replica is to have.
        step: the most replicas that are added at a time; None: as many as are needed.
        idle_seconds: so long without a request, and there is to be no replica; None: never.
    """

    kind: str
    per_replica: float
    bounds: Bounds
    step: int | None = None
    idle_seconds: float | None = None

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> Rule | None:
        """Read the labels; None: they ask for no scaling by requests.

        Raises:
            WrongLabel: one cannot be read.
        """
        kind = labels.get(f"{LABEL}type", "")
        may_be_zero = labels.get(f"{LABEL}zero", "").lower() == "true"
        if kind == BACKLOG or (not kind and not may_be_zero):
            return None
        if kind not in ("", RPS, CAPACITY):
            known = f"{RPS}, {CAPACITY} and {BACKLOG} are known"
            raise WrongLabel(f"{LABEL}type is {kind!r}; {known}")
        least, most = (_whole(labels, *each) for each in (("min", _LEAST), ("max", _MOST)))
        bounds = Bounds(max(1, least), max(1, least, most))
        target = _number(labels, "target", _TARGET)
        proportion = _number(labels, "target-proportion", _PROPORTION)
        factor = _whole(labels, "factor", "0", most=100)
        step = max(1, math.ceil(bounds.most * factor / 100)) if factor else None
        idle = _seconds(labels, "zero-duration", _IDLE) if may_be_zero else None
        return cls(kind, target * proportion, bounds, step, idle)


def _whole(labels: Mapping[str, str], name: str, default: str, most: int = _MOST_REPLICAS) -> int:
    text = labels.get(LABEL + name, default)
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) > most:
        raise WrongLabel(f"{LABEL}{name} is {text!r}; a whole number up to {most} is expected")
    return int(text)


def _number(labels: Mapping[str, str], name: str, default: str) -> float:
    text = labels.get(LABEL + name, default)
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not float(text):
        raise WrongLabel(f"{LABEL}{name} is {text!r}; a number above 0 is expected")
    return float(text)


def _seconds(labels: Mapping[str, str], name: str, default: str) -> float:
    text = labels.get(LABEL + name, default)
    if not _DURATION.fullmatch(text):
        raise WrongLabel(f"{LABEL}{name} is {text!r}; a time is expected, as in 15m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
