"""Whether the functions that run are those of stack.yml, of this version, and sound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from imagectl.doctor import asking, replicas
from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import WARNING, Finding, Wrong, of
from imagectl.doctor.stack_file import Described, Unreadable, read
from pipeline.errors import Unavailable
from pipeline.http.openfaas import OpenFaaS, rollout_of
from pipeline.names import FUNCTIONS
from pipeline.timeouts.chain import Chain

_REQUEST_SECONDS = 10.0
_VERSION = re.compile(r'^image_pipeline_version\{version="([^"]+)"\} 1\.0$', re.MULTILINE)
# Compared with stack.yml: what a call may take, and what it may be. Addresses are the deployer's.
_COMPARED = ("EXEC_TIMEOUT", "REQUEST_TIMEOUT_SECONDS", "MAX_IMAGE_BYTES", "MAX_INFLIGHT")

# Revisions of OpenFaaS before 2022 have no such field.
_VARIABLES = "envVars"

Function = dict[str, Any]


def examine(deployment: Deployment) -> list[Finding]:
    """Ask OpenFaaS, and each function of ours."""
    settings = deployment.settings
    try:
        found = OpenFaaS(settings, _REQUEST_SECONDS).functions()
    except Unavailable as error:
        change = "start the provider (`make up`), or let OPENFAAS_URL name it"
        return [of("deployed", [Wrong(str(error), "the functions", change)], "")]
    there = {each["name"]: each for each in found}
    try:
        described = read(deployment.stack_file, deployment.environment)
    except Unreadable:
        described = []
    deploy = "deploy it (`make up`, or `faas-cli deploy -f stack.yml`)"
    wrong = [
        Wrong(f"{name} is not deployed", "all of ours", deploy)
        for name in FUNCTIONS
        if name not in there
    ]
    for name, function in there.items():
        wrong += _soundness(name, function)
    for each in described:
        if each.name in there:
            wrong += _differences(each, there[each.name])
    for name in (name for name in FUNCTIONS if name in there):
        wrong += _timeouts(name, there[name])
        wrong += _version(name, deployment)
    told = all(_VARIABLES in there[name] for name in FUNCTIONS if name in there)
    beside = "" if told else "; this OpenFaaS does not tell with which variables"
    names = ", ".join(sorted(there))
    return [of("deployed", wrong, f"{names}: all replicas are there{beside}")]


def _soundness(name: str, function: Function) -> Iterator[Wrong]:
    available, wanted = function.get("availableReplicas", 0), function.get("replicas", 0)
    change = f"`make logs s={name}` says why"
    if rollout := rollout_of(function):
        yield Wrong(f"{name}: {rollout}", "a rollout that is over", change)
    elif available < wanted:
        yield Wrong(f"{name} has {available} of {wanted} replicas", f"{wanted}", change)


def _differences(described: Described, function: Function) -> Iterator[Wrong]:
    if _VARIABLES not in function:
        return
    given = function[_VARIABLES] or {}
    for name in _COMPARED:
        wanted, found = described.environment.get(name), given.get(name)
        if wanted != found:
            yield Wrong(
                f"{described.name} was given {name}={found}",
                f"{wanted}, as in stack.yml",
                f"deploy it anew, or set {name} as it was",
                WARNING,
            )


def _timeouts(name: str, function: Function) -> list[Wrong]:
    """Hold what it was given against each other; against what is set here `_differences` does."""
    broken = Chain.from_env(function.get(_VARIABLES) or {}).broken()
    change = f"change stack.yml and deploy {name} anew"
    return [Wrong(f"{name}: {text}", "a chain that holds", change) for text in broken]


def _version(name: str, deployment: Deployment) -> list[Wrong]:
    """Ask a replica on this machine; else OpenFaaS, whose gateway passes metrics on."""
    through = f"{deployment.settings.openfaas_url.rstrip('/')}/function/{name}"
    try:
        _, answer = next(replicas.metrics(deployment, name), ("", None))
        answer = answer or asking.get(f"{through}/metrics")
    except Unavailable as error:
        return [Wrong(f"{name}: {error}", "its metrics", f"`make logs s={name}` says why")]
    found = _VERSION.search(answer.body.decode(errors="replace"))
    return asking.version(name, found and found[1])
