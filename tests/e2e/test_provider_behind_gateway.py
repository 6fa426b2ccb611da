"""What of the provider is seen through the gateway, and in `make status`."""

from __future__ import annotations

import os
import signal

import requests

from tests import pictures
from tests.stack import LocalStack, until


def test_metrics_stay_behind_the_gateway(stack: LocalStack) -> None:
    inside = requests.get(f"{stack.provider_url}/metrics", timeout=10)

    assert 'gateway_service_count{function_name="image-upload.openfaas-fn"} 1.0' in inside.text
    assert stack.get("/metrics").status_code == 404


def test_asynchronous_invocation_is_refused_with_what_to_use(stack: LocalStack) -> None:
    answer = stack.request("POST", "/async-function/image-classifier", data=b"x")

    assert answer.status_code == 501
    assert "POST /api/v1/images" in answer.json()["detail"]


def test_status_shows_that_a_replica_was_restarted(stack: LocalStack) -> None:
    os.kill(stack.pid("image-results-1"), signal.SIGKILL)

    def told() -> str | None:
        status = stack.command("status")
        is_back = status.returncode == 0 and "image-results-1: restarts, 1 so far" in status.stdout
        return status.stdout if is_back else None

    assert "ended with status -9" in until(told)


def test_without_the_provider_an_upload_is_503(stack: LocalStack) -> None:
    photo = pictures.with_nonce(pictures.jpeg(), b"the provider is down")

    os.kill(stack.pid("provider"), signal.SIGKILL)
    refused = until(lambda: answer if not (answer := stack.upload(photo)).ok else None)
    until(lambda: stack.upload(photo).status_code == 202)

    assert refused.status_code == 503
    assert refused.json()["status"] == 503
    assert float(refused.headers["Retry-After"]) > 0
