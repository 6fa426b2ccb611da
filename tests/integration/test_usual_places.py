"""What functions of others take for granted: secrets at their path, a port of their own choice."""

from __future__ import annotations

import ast
import os
import re
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.machine import ports
from local.provider.deployments.usual_folder import USUAL_FOLDER
from tests.ports import free_ports
from tests.provider import Provider, eventually, running_provider

SEES = """
    from pathlib import Path

    def handle(event, context):
        folder = Path("/var/openfaas/secrets")
        return str({path.name: path.read_text() for path in folder.iterdir()})
"""
LISTENS = """
    import os, urllib.request
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            body = os.environ["WHO"].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    HTTPServer(("0.0.0.0", int(os.environ["OWN_PORT"])), Answer).serve_forever()
"""
RECIPE = (
    'FROM python:3\nENV WHO="a server" OWN_PORT=8080\nCMD ["python", "-S", "-E", "server.py"]\n'
)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running_provider(tmp_path_factory.mktemp("provider")) as one:
        for name in ("first", "second"):
            one.add_secret(name, f"value of {name}")
        yield one


def build_server(provider: Provider, name: str, recipe: str = RECIPE) -> None:
    folder = provider.build_dir / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Dockerfile").write_text(recipe)
    (folder / "server.py").write_text(textwrap.dedent(LISTENS))


def seen(provider: Provider, name: str) -> object:
    return ast.literal_eval(provider.invoke(name).text)


def is_refused_without_root(provider: Provider) -> bool:
    """Who may not mount says so at deploy; then there is no more to be seen."""
    if os.geteuid() == 0:
        return False
    provider.build("refused", SEES)
    body = {"service": "refused", "image": "refused", "secrets": ["first"]}
    assert "or start the provider as root" in provider.system("POST", "/functions", body).text
    return True


def test_each_function_sees_its_own_secrets_at_their_usual_path(provider: Provider) -> None:
    if is_refused_without_root(provider):
        return
    provider.deploy("both", SEES, secrets=["first", "second"])
    provider.deploy("one", SEES, secrets=["second"], readOnlyRootFilesystem=True)
    provider.deploy("none", SEES, limits={"memory": "512Mi"})

    assert seen(provider, "both") == {"first": "value of first", "second": "value of second"}
    assert seen(provider, "one") == {"second": "value of second"}
    assert seen(provider, "none") == {}
    assert list(USUAL_FOLDER.iterdir()) == []


def test_updated_secret_is_seen_there(provider: Provider) -> None:
    if is_refused_without_root(provider):
        return
    provider.add_secret("changing", "old")
    provider.deploy("watches", SEES, secrets=["changing"])
    before = seen(provider, "watches")

    provider.system("PUT", "/secrets", {"name": "changing", "value": "new"})

    assert (before, seen(provider, "watches")) == ({"changing": "old"}, {"changing": "new"})


def test_servers_on_one_port_of_their_own_choice_run_side_by_side(provider: Provider) -> None:
    build_server(provider, "server")
    build_server(provider, "exposes", RECIPE.replace("8080", "5000") + "EXPOSE 5000/tcp\n")
    provider.deploy("server", envProcess="", labels={"com.openfaas.scale.min": "2"})
    provider.deploy("exposes", envProcess="", envVars={"WHO": "another"})

    assert {provider.invoke("server", "GET").text for _ in range(4)} == {"a server"}
    assert provider.invoke("exposes", "GET").text == "another"
    runs = [*provider.replicas("server").values(), *provider.replicas("exposes").values()]
    assert len(runs) == 3
    for run in runs:
        assert ports.listeners(run["ports"]["http"])


def test_server_that_nobody_reaches_is_told_of_at_once(provider: Provider) -> None:
    (other,) = free_ports(1)
    build_server(provider, "lost")
    body = {"service": "lost", "image": "lost", "envVars": {"OWN_PORT": str(other)}}
    assert provider.system("POST", "/functions", body).status_code == 202

    def rollout() -> str:
        return str(provider.describe("lost")["annotations"].get("com.openfaas.local.rollout", ""))

    said = eventually(rollout)
    log = provider.system("GET", "/logs?name=lost&follow=false").text

    assert said.startswith("waiting: lost-1: nothing answers on $PORT (")
    assert said.endswith(f"; it listens on {other}")
    assert (
        f"nothing answers on $PORT ({provider.replicas('lost')['lost-1']['ports']['http']})" in log
    )
    provider.system("DELETE", "/functions", {"functionName": "lost"})


def test_update_that_nobody_reaches_is_told_of_at_once(provider: Provider) -> None:
    (other,) = free_ports(1)
    build_server(provider, "moves")
    provider.deploy("moves", envProcess="")
    body = {"service": "moves", "image": "moves", "envVars": {"OWN_PORT": str(other)}}
    assert provider.system("PUT", "/functions", body).status_code == 202

    def is_told() -> bool:
        rollout = provider.describe("moves")["annotations"].get("com.openfaas.local.rollout", "")
        return bool(re.fullmatch(f"in progress: .* it listens on {other}", rollout))

    eventually(is_told)
    assert provider.invoke("moves", "GET").text == "a server"
    provider.system("DELETE", "/functions", {"functionName": "moves"})


@pytest.mark.parametrize(
    ("files", "request_", "message"),
    [
        ({}, {}, "envProcess is empty"),
        ({}, {"envProcess": "cat", "envVars": {"mode": "static"}}, "allowed are http, streaming"),
        ({"Dockerfile": 'FROM a\nENV b="c'}, {"envProcess": "cat"}, "cannot be read"),
    ],
)
def test_image_that_cannot_be_run_is_refused(
    provider: Provider, files: dict[str, str], request_: dict[str, object], message: str
) -> None:
    folder = provider.build_dir / "unclear"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)

    body = {"service": "unclear", "image": "unclear", **request_}
    answer = provider.system("POST", "/functions", body)

    assert answer.status_code == 400
    assert message in answer.text


def test_image_without_anything_but_programs_need_not_be_built(provider: Provider) -> None:
    provider.deploy("sum", image="ghcr.io/openfaas/alpine:latest", envProcess="sha512sum")

    assert provider.invoke("sum", data=b"").text.startswith("cf83e1357eefb8bd")


def test_memory_limit_is_the_process_s_and_not_its_watchdog_s(provider: Provider) -> None:
    (provider.build_dir / "hungry").mkdir()
    code = "print(len(bytes(int(input()))))"
    provider.deploy(
        "hungry", envProcess=f"python -S -E -c '{code}'", limits={"memory": "64Mi"}, envVars={}
    )

    assert provider.invoke("hungry", data=b"1000").text == "1000\n"
    beyond = provider.invoke("hungry", data=b"500000000")
    assert (beyond.status_code, beyond.json()["title"]) == (500, "internal")
    assert provider.invoke("hungry", data=b"1000").text == "1000\n"


def test_read_only_build_stays_writable_for_nobody(provider: Provider, tmp_path: Path) -> None:
    (provider.build_dir / "tries").mkdir()
    provider.deploy("tries", envProcess="touch here", readOnlyRootFilesystem=True)

    assert provider.invoke("tries").status_code == 500
