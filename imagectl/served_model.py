"""Which model the deployed functions are told, and how they are told another."""

from __future__ import annotations

import time
from typing import Any

from pipeline.errors import PipelineError
from pipeline.http.openfaas import OpenFaaS, rollout_of
from pipeline.settings import Settings

_REQUEST_SECONDS = 60.0
_POLL_SECONDS = 0.1
_MODEL = "MODEL_ID"
# What of a function's status was in its deploy request.
_DEPLOYED = (
    "namespace", "image", "envProcess", "envVars", "labels", "annotations", "secrets",
    "constraints", "limits", "requests", "readOnlyRootFilesystem",
)  # fmt: skip

Function = dict[str, Any]


class NotSwitched(PipelineError):
    """A function is not told the model; the text says what was found."""


class ServedModel:
    """Asks and tells functions their model, through OpenFaaS."""

    def __init__(self, settings: Settings) -> None:
        self._openfaas = OpenFaaS(settings, _REQUEST_SECONDS)

    def functions_with_a_model(self) -> list[Function]:
        """List the functions that are told a model, by name.

        Raises:
            NotSwitched: there is none, or one is being updated right now.
            Unavailable: OpenFaaS does not say.
        """
        functions = self._openfaas.functions()
        told = sorted((each for each in functions if model_of(each)), key=lambda each: each["name"])
        if not told:
            names = ", ".join(each["name"] for each in functions) or "none"
            raise NotSwitched(
                f"of the functions at {self._openfaas.url} ({names}) none is told a {_MODEL};"
                " expected those of stack.yml"
            )
        for function in told:
            if rollout_of(function).startswith("in progress"):
                raise NotSwitched(f"{function['name']} is being updated; try again when it is")
        return told

    def deploy(self, function: Function, model_id: str) -> None:
        """Deploy a function as it is, but with this model.

        Raises:
            Unavailable: it was refused.
        """
        request = {key: function[key] for key in _DEPLOYED if function.get(key)}
        request["service"] = function["name"]
        request["envVars"] = {**function["envVars"], _MODEL: model_id}
        self._openfaas.update(request)

    def wait(self, function: Function, model_id: str, seconds: float) -> None:
        """Wait until the function serves with this model.

        Raises:
            NotSwitched: its update failed, or took longer.
            Unavailable: OpenFaaS does not say.
        """
        name, deadline = function["name"], time.monotonic() + seconds
        while True:
            found = self._openfaas.function(name)
            rollout = rollout_of(found)
            if rollout.startswith("failed"):
                raise NotSwitched(f"{name}: {rollout}")
            available, wanted = found.get("availableReplicas", 0), found.get("replicas", 0)
            if model_of(found) == model_id and not rollout and available >= wanted:
                return
            if time.monotonic() > deadline:
                raise NotSwitched(
                    f"{name}: {available} of {wanted} replicas are available with"
                    f" {model_of(found)} after {seconds:g} s; expected all with {model_id}"
                )
            time.sleep(_POLL_SECONDS)


def model_of(function: Function) -> str:
    """Tell which model a function is told; empty when none."""
    return str((function.get("envVars") or {}).get(_MODEL, ""))
