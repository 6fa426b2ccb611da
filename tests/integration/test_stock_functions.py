"""Stock functions of OpenFaaS: built, deployed, invoked, scaled, logged, removed, unchanged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.machine import ports
from tests import stock_functions
from tests.faas_cli import FaasCli, binary, logged_in
from tests.provider import PASSWORD, USER, Provider, eventually, running_provider
from tests.wheels import make_wheel

pytestmark = pytest.mark.timeout(1800)  # the first run on a machine builds faas-cli

KEY = "the key"
# Node's is among them where Node is installed.
NAMES = ["order", "shout", "show-env", "lines", *(["count"] if shutil.which("node") else [])]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stock_functions.write(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Iterator[Provider]:
    binary()
    folder = tmp_path_factory.mktemp("provider")
    make_wheel(folder / "offered", "tea", "1.2")
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "offered")}
    places = {"BUILD_DIR": str(project / "build"), "CACHE_DIR": str(folder / "cache")}
    with running_provider(folder, **index, **places) as one:
        one.add_secret("api-key", KEY)
        yield one


@pytest.fixture(scope="module")
def faas_cli(provider: Provider, project: Path) -> FaasCli:
    """All of them are deployed."""
    cli = logged_in(project, project, provider.url, (USER, PASSWORD))
    for command in (("build", "--shrinkwrap"), ("deploy",)):
        for name in NAMES:
            done = cli(*command, "--filter", name)
            assert done.returncode == 0, done.stdout.decode()
    for name in NAMES:
        eventually(lambda name=name: provider.is_settled(name))  # type: ignore[misc]
    return cli


def invoke(faas_cli: FaasCli, name: str, body: bytes, *more: str) -> str:
    done = faas_cli("invoke", name, *more, stdin=body)
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


def test_python3_http_answers_with_its_secret_and_its_requirement(
    faas_cli: FaasCli, provider: Provider
) -> None:
    said = invoke(faas_cli, "order", b"tea", "-H", f"X-Key={KEY}", "--query", "q=2")
    refused = provider.invoke("order/any/path", data=b"tea")
    taken = provider.invoke("order/any/path", data=b"tea", headers={"X-Key": KEY})

    assert json.loads(said) == {"order": "tea", "path": "/", "q": "2", "tea": "1.2"}
    assert (refused.status_code, refused.text) == (401, "unauthorized")
    assert (taken.status_code, taken.headers["X-Order"]) == (200, "taken")
    assert taken.json()["path"] == "/any/path"
    assert float(taken.headers["X-Duration-Seconds"]) > 0


def test_python3_flask_answers_and_its_log_is_read(faas_cli: FaasCli, provider: Provider) -> None:
    assert invoke(faas_cli, "shout", b"hello") == "HELLO"

    def logged() -> bool:
        read = faas_cli("logs", "shout", "--tail=false", "--lines=50").stdout
        return b"stderr: asked to shout" in read and b"POST '/' - 200" in read

    eventually(logged)


def test_classic_env_is_told_of_the_request(faas_cli: FaasCli, provider: Provider) -> None:
    answer = provider.invoke("show-env/a%20b?x=1&y=2", "PUT", data=b"abc", headers={"X-My-Id": "7"})

    told = dict(line.partition("=")[::2] for line in answer.text.splitlines())
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert told["Http_Method"] == "PUT"
    assert told["Http_Path"] == "/a b"
    assert told["Http_Query"] == "x=1&y=2"
    assert told["Http_ContentLength"] == "3"
    assert told["Http_X_My_Id"] == "7"
    assert told["GREETING"] == "hello"
    assert "Http_Method=POST" in invoke(faas_cli, "show-env", b"")


def test_node_answers(faas_cli: FaasCli, provider: Provider) -> None:
    if "count" not in NAMES:
        assert shutil.which("node") is None
        return

    assert json.loads(invoke(faas_cli, "count", b"four")) == {"letters": 4, "method": "POST"}


def test_bash_streams_and_says_its_content_type(faas_cli: FaasCli, provider: Provider) -> None:
    assert invoke(faas_cli, "lines", b"one\ntwo\n") == "1 one\n2 two\n"
    answer = provider.invoke("lines?a=b", data=b"x" * 1_000_000 + b"\n")

    assert answer.content == b"1 " + b"x" * 1_000_000 + b"\n"
    assert answer.headers["Content-Type"] == "text/plain"
    eventually(
        lambda: b"stderr: method POST query a=b" in faas_cli("logs", "lines", "--tail=false").stdout
    )


def test_replicas_with_one_fixed_port_run_side_by_side_on_loopback_alone(
    faas_cli: FaasCli, provider: Provider
) -> None:
    provider.system("POST", "/scale-function/order", {"replicas": 3})
    eventually(lambda: provider.describe("order")["availableReplicas"] == 3)

    answers = [provider.invoke("order", data=b"x", headers={"X-Key": KEY}) for _ in range(9)]

    assert [answer.status_code for answer in answers] == [200] * 9
    assert len(provider.replicas("order")) == 3
    own = {run["pid"] for run in provider.replicas("order").values()}
    assert own.isdisjoint(ports.listeners(5000))


def test_removed_functions_are_gone(faas_cli: FaasCli, provider: Provider) -> None:
    provider.build("short", "def handle(event, context): return ''")
    (Path(provider.build_dir) / "short").rename(faas_cli.project / "build" / "short")
    provider.deploy("short", secrets=["api-key"])

    removed = faas_cli("remove", "short", "-f", "")

    assert b"Removing old function" in removed.stdout
    assert b"short" not in faas_cli("list").stdout
    assert provider.invoke("short").status_code == 404
