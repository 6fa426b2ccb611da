"""An unmodified faas-cli builds, deploys, lists, describes, invokes and removes functions."""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import deploy
from local.shrinkwrap import shrinkwrap
from local.stack_file import load
from pipeline.version import VERSION
from tests.faas_cli import FaasCli, binary, logged_in
from tests.provider import PASSWORD, ROOT, TEMPLATE, USER, Provider, eventually, running_provider

STACK = """
version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080
configuration:
  copy: [shared, notes.txt]
functions:
  greet:
    lang: python3-pipeline
    handler: ./functions/greet
    image: greet:latest
    labels: {com.openfaas.scale.min: "2", team: red}
    annotations: {topic: greetings}
    secrets: [api-key]
    limits: {memory: 64Mi}
    environment:
      PYTHONPATH: /home/app/function
      GREETING: ${GREETING:-hello}
      NUMBER: 5
  plain:
    lang: python3-pipeline
    handler: ./functions/greet
    image: plain
"""
HANDLER = """
import os
from shared.words import shout

def handle(event, context):
    greeting = os.environ.get("GREETING", "good day")
    return shout(f"{greeting} {event.body.decode()} {event.query.get('from', '')}")
"""
FILES = {
    "stack.yml": STACK,
    "functions/greet/handler.py": HANDLER,
    "functions/greet/template/left-out.txt": "",
    "functions/greet/words/a.txt": "a",
    "functions/greet/run.sh": "#!/bin/sh\n",
    "shared/words.py": "def shout(text):\n    return text.upper()\n",
    "notes.txt": "notes",
    ".gitignore": "template\n!template/\n",
}

pytestmark = pytest.mark.timeout(1800)  # the first run on a machine builds faas-cli


@pytest.fixture(scope="module", autouse=True)
def built() -> Path:
    return binary()


def make_project(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "functions/greet/run.sh").chmod(0o750)
    (folder / "functions/greet/link.txt").symlink_to("words/a.txt")
    target = folder / "template" / TEMPLATE.name
    shutil.copytree(TEMPLATE, target, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project")


@pytest.fixture
def provider(tmp_path: Path, project: Path) -> Iterator[Provider]:
    folder = tmp_path / "provider"
    folder.mkdir()
    with running_provider(folder, BUILD_DIR=str(project / "build")) as one:
        one.add_secret("api-key", "the key")
        yield one


@pytest.fixture
def faas_cli(tmp_path: Path, project: Path, provider: Provider) -> FaasCli:
    return logged_in(project, tmp_path / "home", provider.url, (USER, PASSWORD))


def tree(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Return mode and content of everything in a folder."""
    return {
        str(path.relative_to(folder)): (
            stat.filemode(path.lstat().st_mode),
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *folder.rglob("*")]
    }


@pytest.mark.parametrize("ci", ["", "true"])
def test_shrinkwrap_makes_the_same_folders(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ci: str
) -> None:
    monkeypatch.setenv("CI", ci)
    theirs = FaasCli(project, tmp_path, "http://127.0.0.1:1")("build", "--shrinkwrap")

    shrinkwrap(load(project / "stack.yml"), tmp_path / "build")

    assert theirs.returncode == 0, theirs.stdout.decode()
    assert tree(tmp_path / "build") == tree(project / "build")


def test_this_projects_functions_are_built_as_faas_cli_builds_them(tmp_path: Path) -> None:
    project = tmp_path / "project"
    # Beside what Python has compiled may lie what another process is compiling.
    unfinished = shutil.ignore_patterns("*.pyc.*")
    for name in ("template", "functions", "pipeline"):
        shutil.copytree(ROOT / name, project / name, ignore=unfinished)
    shutil.copy(ROOT / "stack.yml", project)
    theirs = FaasCli(project, tmp_path, "http://127.0.0.1:1")("build", "--shrinkwrap")

    shrinkwrap(load(project / "stack.yml"), tmp_path / "build")

    assert theirs.returncode == 0, theirs.stdout.decode()
    assert tree(tmp_path / "build") == tree(project / "build")


def deployed(provider: Provider, name: str) -> Any:
    path = provider.state_dir / "provider" / "functions" / f"{name}.json"
    return json.loads(path.read_text())["serving"]["request"]


def test_functions_are_deployed_listed_described_invoked_and_removed(
    faas_cli: FaasCli, provider: Provider
) -> None:
    built = faas_cli("build", "--shrinkwrap")
    deployment = faas_cli("deploy", GREETING="good morning")
    assert deployment.returncode == 0, deployment.stdout.decode()
    eventually(lambda: provider.is_settled("plain"))
    eventually(lambda: provider.describe("greet")["availableReplicas"] == 2)
    answers = [
        faas_cli("invoke", "greet", "--query", "from=me", stdin=b"you").stdout for _ in range(3)
    ]
    listed = faas_cli("list").stdout.decode()
    described = faas_cli("describe", "greet").stdout.decode()
    removal = faas_cli("remove", "greet")

    assert built.returncode == 0, built.stdout.decode()
    assert deployment.stdout.count(b"Deployed. 202 Accepted.") == 2
    assert answers == [b"GOOD MORNING YOU ME"] * 3
    assert re.search(r"^greet\s+3\s+2\s*$", listed, re.MULTILINE), listed
    assert re.search(r"^plain\s+0\s+1\s*$", listed, re.MULTILINE), listed
    for text in (
        "Ready",
        "Invocations: *3",
        "python index.py",
        "team : red",
        "topic : greetings",
        "faas_function : greet",
    ):
        assert re.search(text, described), described
    assert b"Removing old function" in removal.stdout
    assert b"greet" not in faas_cli("list").stdout


def test_the_provider_and_its_version_are_told(faas_cli: FaasCli) -> None:
    told = faas_cli("version", "--warn-update=false")
    words = told.stdout.decode()

    assert told.returncode == 0, words
    for said in (r"name: +local", r"orchestration: +processes", rf"version: +{VERSION}"):
        assert re.search(said, words), words
    assert b"openfaas-fn" in faas_cli("namespaces").stdout


def test_what_is_asked_of_another_namespace_touches_nothing(
    faas_cli: FaasCli, provider: Provider
) -> None:
    faas_cli("build", "--shrinkwrap")
    faas_cli("deploy", "--filter", "plain")
    before = provider.describe("plain")

    removal = faas_cli("remove", "-f", "", "plain", "-n", "other")
    deployment = faas_cli("deploy", "--filter", "plain", "-n", "other")

    assert b"No existing function to remove" in removal.stdout
    assert b"namespace 'other' does not exist" in deployment.stdout
    assert b"plain" not in faas_cli("list", "-n", "other").stdout
    assert b"plain" in faas_cli("list", "-n", "openfaas-fn").stdout
    assert provider.describe("plain")["createdAt"] == before["createdAt"]
    assert faas_cli("remove", "-f", "", "plain", "-n", "openfaas-fn").returncode == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "HELLO YOU "),
        (("--env", "GREETING=good=day", "--env", "MORE=1", "--secret", "api-key"), "GOOD=DAY YOU "),
    ],
    ids=["plain", "options"],
)
def test_our_deploy_asks_for_the_same_as_faas_cli(
    faas_cli: FaasCli, provider: Provider, project: Path, options: tuple[str, ...], said: str
) -> None:
    faas_cli("build", "--shrinkwrap")
    faas_cli("deploy", *options)
    theirs = {name: deployed(provider, name) for name in ("greet", "plain")}
    faas_cli("remove")
    secrets = provider.state_dir / "secrets"

    status = deploy.main(
        [
            *("--stack", str(project / "stack.yml"), "--build-dir", str(project / "build")),
            *("--gateway", provider.url, "--user-file", str(secrets / "basic-auth-user")),
            *("--password-file", str(secrets / "basic-auth-password"), *options),
        ]
    )

    assert status == 0
    assert {name: deployed(provider, name) for name in ("greet", "plain")} == theirs
    assert provider.invoke("greet", data=b"you").text == said


def test_our_deploy_says_what_is_wrong(
    provider: Provider, project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    secrets = provider.state_dir / "secrets"
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")

    def run(password: Path, *more: str) -> str:
        known = ["--stack", str(project / "stack.yml"), "--build-dir", str(project / "build")]
        login = ["--user-file", str(secrets / "basic-auth-user"), "--password-file", str(password)]
        assert deploy.main([*known, *login, "--gateway", provider.url, *more]) == 1
        return capsys.readouterr().err

    assert "is not built" in run(secrets / "basic-auth-password", "--no-build")
    assert "refuses this user and password" in run(wrong)
    (project / "functions/greet/handler.py").write_text("raise RuntimeError('no model')")
    assert "RuntimeError: no model" in run(secrets / "basic-auth-password")


def test_mistakes_are_told_as_openfaas_tells_them(
    faas_cli: FaasCli, provider: Provider, tmp_path: Path
) -> None:
    not_built = faas_cli("deploy", "--filter", "plain")
    unknown = faas_cli("invoke", "absent", stdin=b"")
    undescribed = faas_cli("describe", "absent")
    unremoved = faas_cli("remove", "-f", "", "absent")
    stranger = FaasCli(tmp_path, tmp_path / "stranger", provider.url)
    refused = stranger("login", "--username", USER, "--password-stdin", stdin=b"wrong")
    unlisted = stranger("list")

    assert not_built.returncode != 0
    assert b"status: 400" in not_built.stdout
    assert b"faas-cli build --shrinkwrap" in not_built.stdout
    assert b"404" in unknown.stdout
    assert b"No such function: absent" in undescribed.stdout
    assert b"No existing function to remove" in unremoved.stdout
    assert refused.returncode != 0
    assert b"either username or password is incorrect" in refused.stdout
    assert b"Unauthorized access" in unlisted.stdout
