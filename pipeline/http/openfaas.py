"""A client of OpenFaaS' REST API: of its gateway, or of the local provider."""

from __future__ import annotations

from typing import Any

import requests

from pipeline.errors import Unavailable
from pipeline.function_updates import NotUpdated, update_function
from pipeline.settings import Settings

_MOST_SAID = 500  # characters of an answer that an error repeats


class OpenFaaS:
    """One address and its login.

    Args:
        request_seconds: how long one answer may take.
    """

    def __init__(self, settings: Settings, request_seconds: float) -> None:
        self.url = settings.openfaas_url.rstrip("/")
        self._metrics_url = settings.openfaas_metrics_url.rstrip("/") or self.url
        self._request_seconds = request_seconds
        self._session = requests.Session()
        user, password = (settings.secrets.text(f"basic-auth-{it}") for it in ("user", "password"))
        self._session.auth = (user, password)
        self._session.trust_env = False  # no proxy and no .netrc between us and the gateway

    def functions(self) -> list[dict[str, Any]]:
        """Ask for the status of every function.

        Raises:
            Unavailable: it does not answer, or not so.
        """
        functions: list[dict[str, Any]] = self._json("/system/functions", list)
        return functions

    def function(self, name: str) -> dict[str, Any]:
        """Ask for the status of one function; raises as `functions` does."""
        function: dict[str, Any] = self._json(f"/system/function/{name}", dict)
        return function

    def update(self, request: dict[str, Any]) -> None:
        """Deploy a function that is there anew.

        Raises:
            Unavailable: it was refused; the text says why.
        """
        try:
            update_function(self._call, request)
        except NotUpdated as error:
            raise Unavailable(str(error)) from error

    def scale(self, name: str, replicas: int) -> None:
        """Set how many replicas a function is to have; raises as `update` does."""
        body = {"serviceName": name, "replicas": replicas}
        self._call("POST", f"/system/scale-function/{name}", body)

    def update_secret(self, name: str, value: str) -> None:
        """Give functions another value of a secret that there is; raises as `update` does."""
        self._call("PUT", "/system/secrets", {"name": name, "value": value})

    def metrics(self) -> str:
        """Ask for what Prometheus is told; raises as `functions` does."""
        return self._call("GET", "/metrics", at=self._metrics_url).text

    def _json(self, path: str, kind: type) -> Any:
        answer = self._call("GET", path)
        try:
            said = answer.json()
        except ValueError as error:
            raise Unavailable(f"what OpenFaaS answers to {path} is no JSON") from error
        if not isinstance(said, kind):
            raise Unavailable(f"what OpenFaaS answers to {path} is no {kind.__name__}")
        return said

    def _call(self, method: str, path: str, body: object = None, at: str = "") -> requests.Response:
        url = f"{at or self.url}{path}"
        try:
            answer = self._session.request(method, url, json=body, timeout=self._request_seconds)
        except requests.RequestException as error:
            detail = f"OpenFaaS at {at or self.url} does not answer: {type(error).__name__}"
            raise Unavailable(detail) from error
        if not answer.ok:
            said = answer.text.strip()[:_MOST_SAID]
            raise Unavailable(f"{method} {url} was answered {answer.status_code}: {said}")
        return answer


def rollout_of(function: dict[str, Any]) -> str:
    """Read how the local provider says that an update goes; empty where it is over, or OpenFaaS."""
    conditions = function.get("conditions") or []
    return next((str(it["message"]) for it in conditions if it.get("type") == "RolledOut"), "")
