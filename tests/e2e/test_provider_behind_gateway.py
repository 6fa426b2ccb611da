"""What of the provider is seen through the gateway."""

from __future__ import annotations

import re

import requests

from pipeline.ids import image_id
from tests.pictures import fresh
from tests.sending import accepted
from tests.stack import Stack, until


def test_metrics_stay_behind_the_gateway(stack: Stack) -> None:
    inside = requests.get(f"{stack.metrics_url}/metrics", timeout=60)

    assert re.search(
        r'^gateway_service_count{function_name="image-upload.openfaas-fn"} [1-9]\d*(\.0)?$',
        inside.text,
        re.MULTILINE,
    )
    assert stack.get("/metrics").status_code == 404


def test_an_asynchronous_upload_is_the_tenants_own(stack: Stack) -> None:
    photo = fresh("sent by an asynchronous call")

    def called() -> requests.Response | None:
        # A part that another test killed may be on its way back.
        answer = stack.request("POST", "/async-function/image-upload", data=photo)
        return answer if answer.status_code == 202 else None

    assert until(called).headers["X-Call-Id"]

    def result() -> dict[str, object] | None:
        answer = stack.get(f"/api/v1/images/{image_id(photo)}")
        found: dict[str, object] = answer.json() if answer.status_code == 200 else {}
        return found if found.get("status") == "completed" else None

    assert until(result)


def test_without_the_provider_an_upload_is_503(stack: Stack) -> None:
    photo, killed = fresh("the provider is down"), []

    def without() -> requests.Response | None:
        # Each time anew: on a busy machine it may be back before the picture is sent.
        killed.append(stack.kill("provider"))
        answer = stack.upload(photo)
        return None if answer.ok else answer

    refused = until(without)
    accepted(stack, photo)

    assert any(killed)
    assert refused.status_code == 503
    assert refused.json()["status"] == 503
    assert float(refused.headers["Retry-After"]) > 0
