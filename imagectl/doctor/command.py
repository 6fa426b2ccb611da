"""`imagectl doctor`: which checks there are, and how the command ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from imagectl.doctor import (
    buckets,
    cache,
    callers,
    certificates,
    clocks,
    configuration,
    deployed,
    events,
    machine,
    models,
    parts,
    report,
    secret_files,
    stack_file,
    users,
)
from imagectl.doctor.deployment import Deployment
from imagectl.doctor.examining import examine
from imagectl.doctor.finding import Finding

Examination = Callable[[Deployment], list[Finding]]

_BUDGET_SECONDS = 20.0
# What a configuration tells by itself, without anything running.
_CONFIGURATION: dict[str, Examination] = {
    "settings": configuration.settings,
    "timeouts": configuration.timeouts,
    "ports": configuration.ports,
    "issuer": callers.issuer,
    "rate": callers.rate,
    "functions": stack_file.functions,
    "secrets": secret_files.examine,
    "disk": machine.disk,
    "memory": machine.memory,
}
# Of a stack that does not run yet.
_BEFORE_THE_START: dict[str, Examination] = {"free ports": machine.free_ports}
_RUNNING: dict[str, Examination] = {
    "processes": parts.supervised,
    "users": users.examine,
    "gateway": parts.gateway,
    "provider": parts.provider,
    "consumers": parts.consumers,
    "ready": parts.ready,
    "clocks": clocks.examine,
    "redis": cache.examine,
    "kafka": events.examine,
    "minio": buckets.examine,
    "model": models.examine,
    "deployed": deployed.examine,
    "certificates": certificates.examine,
}


@click.command()
@click.option("--offline", is_flag=True, help="Only the configuration; nothing need run.")
@click.option("--stack", default="stack.yml", show_default=True, help="Describes the functions.")
@click.option(
    "--budget", default=_BUDGET_SECONDS, show_default=True, help="Seconds for the checks, each."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(offline: bool, stack: str, budget: float, as_json: bool) -> None:
    """Examine a configuration and a running deployment.

    Prints a line for each check: ok, warning or failed, what was found, what is wanted, and which
    value to change. Ends with status 0 when all is ok, 1 with a warning, 2 when a check failed.
    """
    deployment = Deployment(dict(os.environ), Path(stack))
    findings = examined(deployment, budget, is_offline=offline)
    if as_json:
        click.echo(report.as_json(findings))
    else:
        report.show(findings)
    sys.stdout.flush()
    # Threads that hang in a client's C code are left behind, and not waited for.
    os._exit(report.status(findings))


def examined(deployment: Deployment, budget: float, *, is_offline: bool) -> list[Finding]:
    """Make the checks of a configuration, and those of what runs."""
    checks = {**_CONFIGURATION, **(_BEFORE_THE_START if is_offline else _RUNNING)}
    return examine({name: partial(it, deployment) for name, it in checks.items()}, budget)
