"""A function's own requirements: installed over the shared packages, once, or refused at deploy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.faas_cli import logged_in
from tests.provider import PASSWORD, USER, Provider, eventually, running_provider
from tests.wheels import make_wheel

HANDLER = """
    import {module}

    def handle(event, context):
        return {module}.VERSION
"""
NOTE = "com.openfaas.local.requirements"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """One whose pip finds the packages of a folder, and no index."""
    folder = tmp_path_factory.mktemp("requirements")
    for name, version in (("tea", "1.2"), ("tea", "2.0"), ("milk", "3"), ("cake", "4")):
        make_wheel(folder / "offered", name, version)
    make_wheel(folder / "offered", "heavy", "1", {"heavy.bin": bytes(3_000_000)})
    with running_provider(folder, **offering(folder / "offered")) as one:
        yield one


def offering(folder: Path) -> dict[str, str]:
    return {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "CACHE_DIR": str(folder.parent / "cache"),
        "PROVIDER_LAYER_BYTES": "2000000",
    }


def build(provider: Provider, name: str, module: str, *lines: str) -> dict[str, str]:
    """Build a function that needs a module; return its deploy request."""
    provider.build(name, HANDLER.format(module=module))
    folder = provider.build_dir / name / "function"
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))
    return {"service": name, "image": name}


def create(provider: Provider, name: str, module: str, *lines: str) -> requests.Response:
    return provider.system("POST", "/functions", build(provider, name, module, *lines))


def layers(provider: Provider) -> list[dict[str, object]]:
    folder = provider.folder / "cache" / "layers"
    return [json.loads(told.read_text()) for told in folder.glob("*/layer.json")]


def note(provider: Provider, name: str) -> str:
    return str(provider.describe(name)["annotations"].get(NOTE, ""))


def provider_log(provider: Provider) -> list[dict[str, str]]:
    return [
        json.loads(line) for line in (provider.folder / "provider.log").read_text().splitlines()
    ]


def test_what_a_function_needs_is_installed_and_said(provider: Provider) -> None:
    build(provider, "cup", "tea", "# for the handler", "tea==1.2", "flask")

    provider.deploy("cup")

    assert provider.invoke("cup").text == "1.2"
    assert "1 packages" in note(provider, "cup")
    logs = provider.system("GET", "/logs?name=cup").text
    assert "requirements: looking for" in logs
    assert "requirements: installing 1 packages: tea 1.2" in logs
    assert "requirements found" in {line["message"] for line in provider_log(provider)}


@pytest.mark.timeout(1800)  # the first run on a machine builds faas-cli
def test_faas_cli_deploys_describes_and_shows_it(provider: Provider) -> None:
    faas_cli = logged_in(provider.folder, provider.folder, provider.url, (USER, PASSWORD))
    build(provider, "saucer", "cake", "cake==4")
    build(provider, "lost", "tea", "coffee==9")
    options = ("--fprocess", "python index.py", "--image")

    deployed = faas_cli("deploy", *options, "saucer", "--name", "saucer")
    eventually(lambda: provider.is_settled("saucer"))
    refused = faas_cli("deploy", *options, "lost", "--name", "lost")

    assert b"Deployed. 202 Accepted." in deployed.stdout, deployed.stdout
    assert faas_cli("invoke", "saucer", stdin=b"-").stdout.strip() == b"4"
    assert b"1 packages" in faas_cli("describe", "saucer").stdout
    assert b"installing 1 packages: cake 4" in faas_cli("logs", "saucer", "--tail=false").stdout
    assert b"400" in refused.stdout
    assert b"coffee==9" in refused.stdout


def test_what_all_functions_share_makes_no_layer(provider: Provider) -> None:
    before = len(layers(provider))
    build(provider, "plain", "flask as tea", "flask>=3", "requests ; python_version < '3'")
    provider.build("plain", "def handle(event, context): return 'ok'")

    provider.deploy("plain")

    assert (provider.invoke("plain").text, note(provider, "plain")) == ("ok", "")
    assert len(layers(provider)) == before


def test_functions_with_the_same_lines_share_a_layer(provider: Provider) -> None:
    before = len(layers(provider))
    names = ["pot-1", "pot-2", "pot-3"]

    with ThreadPoolExecutor() as pool:
        answers = list(
            pool.map(lambda name: create(provider, name, "milk", "milk", "cake>=4"), names)
        )

    assert [answer.status_code for answer in answers] == [202] * 3
    for name in names:
        eventually(lambda name=name: provider.is_settled(name))  # type: ignore[misc]
        assert provider.invoke(name).text == "3"
    assert len(layers(provider)) == before + 1


def test_another_version_takes_over_with_its_own_packages(provider: Provider) -> None:
    build(provider, "mug", "tea", "tea==1.2")
    provider.deploy("mug")
    build(provider, "mug", "tea", "tea==2.0")

    provider.deploy("mug")

    eventually(lambda: provider.invoke("mug").text == "2.0")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["coffee==9"], "coffee==9"),
        (["tea==1.2", "tea==2.0"], "tea"),
        ([f"tea==1.2 --hash=sha256:{'0' * 64}"], "others are allowed"),
        (["heavy"], "the limit is 2.0 MB (PROVIDER_LAYER_BYTES)"),
        (["tea", "--index-url x"], "line 2: found '--index-url x'; allowed are lines such as"),
        (["-e ."], "line 1: found '-e .'"),
        (["tea @ file:///tmp/tea.whl"], "no URLs, no paths"),
    ],
)
def test_what_cannot_be_had_is_refused(provider: Provider, lines: list[str], said: str) -> None:
    answer = create(provider, "broken", "tea", *lines)

    if answer.status_code == 202:  # what it takes is known only when it is installed
        told = eventually(lambda: "failed" in note(provider, "broken") and note(provider, "broken"))
        provider.system("DELETE", "/functions", {"functionName": "broken"})
        assert said in str(told)
    else:
        assert answer.status_code == 400, answer.text
        assert said in answer.text
    assert not list((provider.folder / "cache" / "layers").glob("unfinished-*"))


def test_without_a_network_the_deploy_says_what_is_missing(tmp_path: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_FIND_LINKS": ""}
    with running_provider(tmp_path, CACHE_DIR=str(tmp_path / "cache"), **nowhere) as provider:
        answer = create(provider, "cup", "tea", "tea==1.2")

        assert answer.status_code == 400
        assert "no package index answers, and these are not installed here: tea==1.2" in answer.text
        assert provider.system("GET", "/function/cup").status_code == 404


def test_a_restarted_provider_needs_no_index_again(tmp_path: Path) -> None:
    make_wheel(tmp_path / "offered", "tea", "1.2")
    environment = offering(tmp_path / "offered")
    with running_provider(tmp_path, **environment) as provider:
        build(provider, "cup", "tea", "tea==1.2")
        provider.deploy("cup")
        shutil.rmtree(tmp_path / "offered")

        provider.stop()
        provider.start(**environment)

        eventually(lambda: provider.is_settled("cup"))
        assert provider.invoke("cup").text == "1.2"
