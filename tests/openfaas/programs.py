"""OpenFaaS' queue, of the releases that its gateway was made for: built for tests alone."""

from __future__ import annotations

from tests.go_tools import GoTool

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
