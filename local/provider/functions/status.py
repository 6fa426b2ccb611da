"""What OpenFaaS' API says of a function: what was deployed last, what serves, and how it fares."""

from __future__ import annotations

from typing import Any

from local.provider.deployments.spec import (
    FUNCTION_LABEL,
    NAMESPACE,
    REQUIREMENTS,
    RESTARTS,
    ROLLOUT,
    Spec,
)
from local.provider.functions.function import Function


def listed(function: Function, memory_by: str) -> dict[str, Any]:
    """Return one entry of the list: as it was deployed, with nothing of ours among its own.

    `faas-cli diff` compares the list with stack.yml. What else there is to say stands under names
    of its own, which faas-cli passes over.

    Args:
        memory_by: how limits of memory are enforced.
    """
    spec = function.deployed.spec
    request = {key: value for key, value in spec.request.items() if key != "service"}
    in_service = function.serving.version.spec
    other = {"serving": {**in_service.request}} if in_service is not spec else {}
    return {
        "labels": {},
        "annotations": {},
        **request,
        "name": function.name,
        "namespace": NAMESPACE,
        "invocationCount": function.invocations,
        "replicas": function.serving.wanted,
        "availableReplicas": function.serving.available,
        "createdAt": function.created_at,
        "conditions": conditions(function, memory_by),
        **other,
    }


def described(function: Function, memory_by: str) -> dict[str, Any]:
    """Return the same of one function, with what `faas-cli describe` can show of the rest.

    That is labels and annotations alone: the label that OpenFaaS gives every function, and a note
    where something is the matter.
    """
    entry = listed(function, memory_by)
    notes = {
        ROLLOUT: rollout(function),
        RESTARTS: function.serving.restarts,
        REQUIREMENTS: function.packages,
    }
    return entry | {
        "labels": {**entry["labels"], FUNCTION_LABEL: function.name},
        "annotations": entry["annotations"] | {key: note for key, note in notes.items() if note},
    }


def rollout(function: Function) -> str:
    """Say how what was deployed last gets on; nothing where it simply serves."""
    if (incoming := function.incoming) is None:
        return function.rollout or trouble(function)
    ready, image = f"{incoming.available} of {incoming.wanted}", incoming.version.spec.image
    serving = function.serving.version.spec.image
    told = f"{ready} replicas of {image} are ready; {serving} serves until all are"
    return f"in progress: {told}" + (f"; {incoming.failure}" if incoming.failure else "")


def trouble(function: Function) -> str:
    failure = function.serving.failure
    if not failure:
        return ""
    return f"failed: {failure}" if function.serving.has_failed else f"waiting: {failure}"


def conditions(function: Function, memory_by: str) -> list[dict[str, str]]:
    """Say how it is, as Kubernetes does: by type, whether that holds, and in words."""
    serving, text = function.serving, rollout(function)
    is_whole = not text and serving.available >= serving.wanted
    found = [
        condition("Available", serving.available > 0, serving.failure),
        condition("RolledOut", is_whole, text),
    ]
    if serving.restarts:
        found.append(condition("Restarted", True, serving.restarts))
    if limits := limits_note(function.deployed.spec, memory_by):
        found.append(condition("Limited", True, limits))
    return found


def condition(kind: str, holds: bool, message: str) -> dict[str, str]:
    return {"type": kind, "status": str(holds), "message": message}


def limits_note(spec: Spec, memory_by: str) -> str:
    """Say how limits, and what is requested of the processors, are kept."""
    how = {"memory": memory_by, "cpu": "not enforced"}
    notes = [f"{key} {value}: {how[key]}" for key, value in spec.limits.items() if key in how]
    if spec.requests.get("cpu"):
        notes.append(f"requests.cpu {spec.requests['cpu']}: nice {spec.nice_value}")
    return ", ".join(notes)
