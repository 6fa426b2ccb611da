"""The function's replicas, read and set through OpenFaaS' REST API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from decision import Bounds
from pipeline.errors import Unavailable
from pipeline.http.openfaas import OpenFaaS
from pipeline.settings import Settings

_REQUEST_SECONDS = 5.0
_LABEL = "com.openfaas.scale."
# OpenFaaS' own defaults where a function has no such label; its community edition has no more.
_LEAST, _MOST, _FACTOR = "1", "5", "20"


@dataclass(frozen=True)
class Function:
    """What OpenFaaS says of a function.

    Attributes:
        available: replicas that take requests.
        factor: OpenFaaS' own scaling, in percent of a step; 0: it does not scale.
        kind: by what it is scaled instead of that: its backlog, or a kind of requests.
    """

    replicas: int
    available: int
    bounds: Bounds
    factor: int
    kind: str = ""

    @classmethod
    def from_status(cls, status: dict[str, Any]) -> Function:
        """Read the answer of GET /system/function/NAME."""
        labels = status.get("labels") or {}
        least = int(labels.get(f"{_LABEL}min", _LEAST))
        return cls(
            int(status.get("replicas", 0)),
            int(status.get("availableReplicas", 0)),
            Bounds(least, max(least, int(labels.get(f"{_LABEL}max", _MOST)))),
            int(labels.get(f"{_LABEL}factor", _FACTOR)),
            str(labels.get(f"{_LABEL}type", "")),
        )


class Replicas:
    """Reads and sets the replicas of one function."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._name = name
        self._openfaas = OpenFaaS(settings, _REQUEST_SECONDS)

    def read(self) -> Function:
        """Ask how many there are and how many there may be.

        Raises:
            Unavailable: OpenFaaS does not say.
        """
        try:
            return Function.from_status(self._openfaas.function(self._name))
        except (ValueError, TypeError, AttributeError) as error:
            raise Unavailable(f"what OpenFaaS says of {self._name} is unreadable") from error

    def scale(self, replicas: int) -> None:
        """Set how many there are to be; those that are too many finish what they have begun.

        Raises:
            Unavailable: it was not done.
        """
        self._openfaas.scale(self._name, replicas)
