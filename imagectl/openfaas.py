"""OpenFaaS' REST API, as far as it is needed to give functions another model."""

from __future__ import annotations

import time
from typing import Any

import requests

from pipeline.errors import PipelineError
from pipeline.settings import Settings

_REQUEST_SECONDS = 60.0
_POLL_SECONDS = 0.1
_MODEL = "MODEL_ID"
# The local provider's annotation: how an update is going.
_ROLLOUT = "com.openfaas.local.rollout"
# What of a function's status was in its deploy request.
_DEPLOYED = (
    "namespace", "image", "envProcess", "envVars", "labels", "annotations", "secrets",
    "constraints", "limits", "requests", "readOnlyRootFilesystem",
)  # fmt: skip

Function = dict[str, Any]


class OpenFaaSError(PipelineError):
    """OpenFaaS did not do what it was asked; the text says what and why."""


class OpenFaaS:
    """A client of an OpenFaaS gateway, or of the local provider."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.openfaas_url.rstrip("/")
        self._session = requests.Session()
        self._session.auth = (
            settings.secret("basic-auth-user"),
            settings.secret("basic-auth-password"),
        )
        self._session.trust_env = False  # no proxy and no .netrc between us and the gateway

    def functions_with_a_model(self) -> list[Function]:
        """List the functions that are told a model, by name.

        Raises:
            OpenFaaSError: there is none, or one is being updated right now.
        """
        functions: list[Function] = self._call("GET", "/system/functions").json()
        told = sorted((each for each in functions if model_of(each)), key=lambda each: each["name"])
        if not told:
            names = ", ".join(each["name"] for each in functions) or "none"
            raise OpenFaaSError(
                f"of the functions at {self._url} ({names}) none is told a {_MODEL};"
                " expected those of stack.yml"
            )
        for function in told:
            if _rollout(function) == "in progress":
                raise OpenFaaSError(f"{function['name']} is being updated; try again when it is")
        return told

    def deploy(self, function: Function, model_id: str) -> None:
        """Deploy a function as it is, but with this model.

        Raises:
            OpenFaaSError: it was refused.
        """
        request = {key: function[key] for key in _DEPLOYED if function.get(key)}
        request["service"] = function["name"]
        request["envVars"] = {**function["envVars"], _MODEL: model_id}
        annotations = function.get("annotations") or {}
        request["annotations"] = {key: annotations[key] for key in annotations if key != _ROLLOUT}
        self._call("PUT", "/system/functions", request)

    def wait(self, function: Function, model_id: str, seconds: float) -> None:
        """Wait until the function serves with this model.

        Raises:
            OpenFaaSError: its update failed, or took longer.
        """
        name, deadline = function["name"], time.monotonic() + seconds
        while True:
            found = self._call("GET", f"/system/function/{name}").json()
            rollout = _rollout(found)
            if rollout.startswith("failed"):
                raise OpenFaaSError(f"{name}: {rollout}")
            available, wanted = found.get("availableReplicas", 0), found.get("replicas", 0)
            if model_of(found) == model_id and not rollout and available >= wanted:
                return
            if time.monotonic() > deadline:
                raise OpenFaaSError(
                    f"{name}: {available} of {wanted} replicas are available with"
                    f" {model_of(found)} after {seconds:g} s; expected all with {model_id}"
                )
            time.sleep(_POLL_SECONDS)

    def _call(self, method: str, path: str, body: object = None) -> requests.Response:
        url = f"{self._url}{path}"
        try:
            answer = self._session.request(method, url, json=body, timeout=_REQUEST_SECONDS)
        except requests.RequestException as error:
            raise OpenFaaSError(f"{self._url} does not answer: {type(error).__name__}") from error
        if not answer.ok:
            said = answer.text.strip()[:500]
            raise OpenFaaSError(f"{method} {url} was answered {answer.status_code}: {said}")
        return answer


def model_of(function: Function) -> str:
    """Tell which model a function is told; empty when none."""
    return str((function.get("envVars") or {}).get(_MODEL, ""))


def _rollout(function: Function) -> str:
    return str((function.get("annotations") or {}).get(_ROLLOUT, ""))
