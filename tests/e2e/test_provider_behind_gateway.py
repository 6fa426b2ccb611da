"""What of the provider is seen through the gateway, and in `make status`."""

from __future__ import annotations

import os
import re
import signal

import requests

from tests import pictures
from tests.stack import LocalStack, until


def healthy_status(stack: LocalStack) -> str | None:
    status = stack.command("status")
    return status.stdout if status.returncode == 0 else None


def restarts(status: str) -> int:
    """How often image-results was restarted, as `make status` tells it."""
    told = re.search(r"image-results-\d+: [a-z ]+, (\d+) so far", status)
    return int(told[1]) if told else 0


def test_metrics_stay_behind_the_gateway(stack: LocalStack) -> None:
    inside = requests.get(f"{stack.provider_url}/metrics", timeout=10)

    assert 'gateway_service_count{function_name="image-upload.openfaas-fn"} 1.0' in inside.text
    assert stack.get("/metrics").status_code == 404


def test_asynchronous_invocation_is_refused_with_what_to_use(stack: LocalStack) -> None:
    answer = stack.request("POST", "/async-function/image-classifier", data=b"x")

    assert answer.status_code == 501
    assert "POST /api/v1/images" in answer.json()["detail"]


def test_status_shows_that_a_replica_was_restarted(stack: LocalStack) -> None:
    # Other tests kill replicas of this stack too.
    before = restarts(until(lambda: healthy_status(stack)))
    os.kill(stack.pid("image-results"), signal.SIGKILL)

    told = until(lambda: now if (now := healthy_status(stack)) and restarts(now) > before else None)

    assert restarts(told) == before + 1
    assert "ended with status -9" in told


def test_without_the_provider_an_upload_is_503(stack: LocalStack) -> None:
    photo = pictures.with_nonce(pictures.jpeg(), b"the provider is down")

    os.kill(stack.pid("provider"), signal.SIGKILL)
    refused = until(lambda: answer if not (answer := stack.upload(photo)).ok else None)
    until(lambda: stack.upload(photo).status_code == 202)

    assert refused.status_code == 503
    assert refused.json()["status"] == 503
    assert float(refused.headers["Retry-After"]) > 0
