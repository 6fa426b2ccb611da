"""A picture on its way with a bearer token, on a stack that takes those of an issuer."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests import pictures
from tests.issuer import AUDIENCE, running_issuer
from tests.local_stack import START_SECONDS, LocalStack, running_stack, unstarted_stack
from tests.stack import until

pytestmark = pytest.mark.timeout(START_SECONDS + 300)


def completed(stack: LocalStack, job: str, headers: dict[str, str]) -> bool:
    answer = requests.get(f"{stack.url}/api/v1/jobs/{job}", headers=headers, timeout=60)
    return answer.ok and answer.json()["status"] == "completed"


def test_a_picture_that_comes_with_a_bearer_token_is_its_tenants_alone(tmp_path: Path) -> None:
    with (
        running_issuer() as issuer,
        running_stack(
            tmp_path, settings={"OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": AUDIENCE}
        ) as stack,
    ):
        bearer = {"Authorization": f"Bearer {issuer.token()}"}
        other = {"Authorization": f"Bearer {issuer.token(tenant='other')}"}
        reader = {"Authorization": f"Bearer {issuer.token(scope='read')}"}
        url, files = f"{stack.url}/api/v1/images", {"file": pictures.fresh("bearer")}

        accepted = requests.post(url, headers=bearer, files=files, timeout=60)
        assert accepted.status_code in (200, 202), accepted.text
        job = accepted.json()["jobId"]
        until(lambda: completed(stack, job, reader))

        assert not completed(stack, job, other)
        assert stack.get(f"/api/v1/jobs/{job}").status_code == 404
        refused = requests.post(url, headers=reader, files=files, timeout=60)
        assert (refused.status_code, refused.json()["allowed"]) == (403, "upload")
        assert "token-verifier" in stack.command("status").stdout


def test_a_stack_does_not_start_on_half_an_issuer(tmp_path: Path) -> None:
    with unstarted_stack(tmp_path, {"OIDC_ISSUER": "http://login.example"}) as stack:
        told = stack.command("up")

    assert told.returncode != 0
    assert "OIDC_ISSUER='http://login.example': expected https" in told.stdout + told.stderr
