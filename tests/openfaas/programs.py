"""OpenFaaS' last revisions under the MIT licence: built for tests alone, and no newer ones.

Today's are under an EULA of their own, and are neither started nor shipped.
"""

from __future__ import annotations

from tests.go_tools import GoTool

GATEWAY = GoTool(
    "openfaas-gateway",
    "github.com/openfaas/faas/gateway",
    pins="openfaas-gateway",
    must_be_mit=True,
)
FAAS_NETES = GoTool(
    "faas-netes",
    "github.com/openfaas/faas-netes",
    pins="faas-netes",
    must_be_mit=True,
)
# Its queue, of the releases that this gateway was made for.
QUEUE_WORKER = GoTool(
    "queue-worker",
    "github.com/openfaas/nats-queue-worker",
    pins="queue-worker",
    must_be_mit=True,
)
# Apache-2.0.
NATS_STREAMING = GoTool(
    "nats-streaming-server",
    "github.com/nats-io/nats-streaming-server",
    pins="nats-streaming-server",
)
