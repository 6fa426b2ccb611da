"""The three functions answer under OpenFaaS' own python3-http contract, without our template."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from typing import Any

from tests import pictures, tokens
from tests.local_stack import LocalStack
from tests.stack import until

# What python3-http does: the handler is the module function/handler.py, and is called with an
# event that has these five attributes and nothing else, headers a plain mapping.
CALLER = """
import base64, json, sys

class Event:
    def __init__(self, body, headers, method, query, path):
        self.body, self.headers, self.method = body, headers, method
        self.query, self.path = query, path

class Context:
    hostname = "localhost"

from function import handler

given = json.load(sys.stdin)
event = Event(base64.b64decode(given["body"]), given["headers"], given["method"],
              given["query"], given["path"])
answer = handler.handle(event, Context())
if hasattr(handler, "close"):
    handler.close()
body = answer["body"]
answer["body"] = body.decode() if isinstance(body, bytes) else body
print("ANSWER", json.dumps({**answer, "headers": dict(answer.get("headers") or {})}))
"""


def call(
    stack: LocalStack, name: str, method: str, path: str = "/", body: bytes = b"", **headers: str
) -> dict[str, Any]:
    """Call one handler in a process of its own."""
    folder = stack.state_dir / "build" / name
    settings = stack.settings
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder / "function"),
        "SECRETS_DIR": settings.secrets_dir,
        "MINIO_ENDPOINT": settings.minio_endpoint,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "REDIS_URL": settings.redis_url,
        "OPENFAAS_URL": settings.openfaas_url,
        # A busy machine is no reason to answer 503.
        **{f"{name}_TIMEOUT_SECONDS": "30" for name in ("STORE", "PRODUCE", "CACHE")},
    }
    given = {
        "body": base64.b64encode(body).decode(),
        "headers": {
            **tokens.of_gateway(settings, name, method, path),
            **{key.replace("_", "-"): value for key, value in headers.items()},
        },
        "method": method,
        "query": {},
        "path": path,
    }
    done = subprocess.run(
        [sys.executable, "-c", CALLER],
        cwd=folder,
        env=environment,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("ANSWER "))
    answer: dict[str, Any] = json.loads(line.removeprefix("ANSWER "))
    content = answer["body"]
    return answer | {"body": json.loads(content) if isinstance(content, str) else content}


def test_upload_and_results_answer_under_the_stock_contract(stack: LocalStack) -> None:
    picture = pictures.fresh("stock contract")

    accepted = call(stack, "image-upload", "POST", "/", picture, Content_Type="image/jpeg")
    assert accepted["statusCode"] == 202
    job_id = accepted["body"]["jobId"]
    job = until(
        lambda: (
            answer
            if (answer := call(stack, "image-results", "GET", f"/jobs/{job_id}"))["body"]["status"]
            == "completed"
            else None
        )
    )

    assert job["statusCode"] == 200
    assert job["body"]["jobId"] == job_id
    assert job["body"]["result"]["labels"]


def test_classifier_answers_under_the_stock_contract(stack: LocalStack) -> None:
    answer = call(stack, "image-classifier", "POST", "/", pictures.jpeg())

    assert answer["statusCode"] == 200
    assert answer["body"]["labels"][0].keys() == {"label", "score"}


def test_error_is_an_answer_of_the_stock_contract_too(stack: LocalStack) -> None:
    answer = call(stack, "image-upload", "POST", "/", b"this is a text")

    assert answer["statusCode"] == 415
    assert answer["headers"]["Content-Type"] == "application/problem+json"
