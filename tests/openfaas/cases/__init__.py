"""All that is asked of both gateways, by subject; what takes a queue stands apart."""

from __future__ import annotations

from tests.openfaas.cases import (
    asynchronous,
    autoscaling,
    command_line,
    deployments,
    invocations,
    logs,
    metrics,
    refusals,
    scaling,
    secrets,
    updates,
)

CASES = (
    *refusals.CASES,
    *deployments.CASES,
    *updates.CASES,
    *scaling.CASES,
    *autoscaling.CASES,
    *secrets.CASES,
    *invocations.CASES,
    *logs.CASES,
    *metrics.CASES,
    *command_line.CASES,
)
QUEUED = asynchronous.CASES
