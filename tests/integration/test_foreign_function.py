"""A function of somebody else: the contract of python3-http, and a server of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faas_cli import binary, logged_in
from tests.provider import PASSWORD, USER, Provider, eventually, running_provider

STACK = """
version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080
functions:
  greeter:
    lang: python3-http
    handler: ./greeter
    image: someone/greeter:0.2
"""
HANDLER = """
def handle(event, context):
    if event.method != "POST":
        return {"statusCode": 405, "body": "POST a name", "headers": {"Allow": "POST"}}
    name = event.body.decode() or "nobody"
    return {
        "statusCode": 200,
        "body": {"greeting": f"Hello {name}", "path": event.path, "via": event.query.get("via")},
        "headers": {"X-Host": context.hostname},
    }
"""
# The contract of python3-http, written anew: an event, a context, and a dict for an answer.
INDEX = """
import os
import socket
from types import SimpleNamespace

from flask import Flask, jsonify, make_response, request
from waitress import serve

from function import handler

app = Flask(__name__)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

@app.route("/_/health")
def health():
    return "OK"

@app.route("/", defaults={"path": ""}, methods=METHODS)
@app.route("/<path:path>", methods=METHODS)
def call(path):
    event = SimpleNamespace(body=request.get_data(), headers=request.headers,
                            method=request.method, query=request.args, path=request.path)
    result = handler.handle(event, SimpleNamespace(hostname=socket.gethostname()))
    body = result.get("body", "")
    answer = make_response(jsonify(body) if isinstance(body, dict) else body)
    answer.status_code = result.get("statusCode", 200)
    answer.headers.update(result.get("headers", {}))
    return answer

serve(app, host="127.0.0.1", port=int(os.environ["PORT"]))
"""
FILES = {
    "stack.yml": STACK,
    "greeter/handler.py": HANDLER,
    "template/python3-http/template.yml": "language: python3-http\nfprocess: python index.py\n",
    "template/python3-http/index.py": INDEX,
    "template/python3-http/function/__init__.py": "",
    "template/python3-http/Dockerfile": "FROM scratch\n",
}

pytestmark = pytest.mark.timeout(1800)  # the first run on a machine builds faas-cli


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "project"


@pytest.fixture
def provider(tmp_path: Path, project: Path) -> Iterator[Provider]:
    binary()
    with running_provider(tmp_path, BUILD_DIR=str(project / "build")) as one:
        yield one


def test_foreign_function_is_built_deployed_and_invoked_by_faas_cli(
    provider: Provider, project: Path
) -> None:
    faas_cli = logged_in(project, project, provider.url, (USER, PASSWORD))

    built = faas_cli("build", "--shrinkwrap")
    deployed = faas_cli("deploy")
    assert b"Deployed. 202 Accepted." in deployed.stdout, deployed.stdout
    eventually(lambda: provider.is_settled("greeter"))
    invoked = faas_cli("invoke", "greeter", "--query", "via=cli", stdin=b"Ada")

    assert built.returncode == 0, built.stdout
    assert json.loads(invoked.stdout) == {"greeting": "Hello Ada", "path": "/", "via": "cli"}
    refused = provider.invoke("greeter/some/path", "GET")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
