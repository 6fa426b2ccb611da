"""The function's replicas, read and set through OpenFaaS' REST API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from decision import Bounds
from pipeline.errors import Unavailable
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
    """

    replicas: int
    available: int
    bounds: Bounds
    factor: int

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
        )


class Replicas:
    """Reads and sets the replicas of one function."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._url = settings.openfaas_url.rstrip("/")
        self._name = name
        self._session = requests.Session()
        user, password = (settings.secret(f"basic-auth-{it}") for it in ("user", "password"))
        self._session.auth = (user, password)
        self._session.trust_env = False  # no proxy and no .netrc between us and the gateway

    def read(self) -> Function:
        """Ask how many there are and how many there may be.

        Raises:
            Unavailable: OpenFaaS does not say.
        """
        answer = self._call("GET", f"/system/function/{self._name}")
        try:
            return Function.from_status(answer.json())
        except (ValueError, TypeError, AttributeError) as error:
            raise Unavailable(f"what OpenFaaS says of {self._name} is unreadable") from error

    def scale(self, replicas: int) -> None:
        """Set how many there are to be; those that are too many finish what they have begun.

        Raises:
            Unavailable: it was not done.
        """
        body = {"serviceName": self._name, "replicas": replicas}
        self._call("POST", f"/system/scale-function/{self._name}", body)

    def _call(self, method: str, path: str, body: object = None) -> requests.Response:
        try:
            answer = self._session.request(
                method, f"{self._url}{path}", json=body, timeout=_REQUEST_SECONDS
            )
        except requests.RequestException as error:
            raise Unavailable(f"OpenFaaS does not answer: {type(error).__name__}") from error
        if not answer.ok:
            said = answer.text.strip()[:200]
            raise Unavailable(f"OpenFaaS answered {answer.status_code} to {method} {path}: {said}")
        return answer
