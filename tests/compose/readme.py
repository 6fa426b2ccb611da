"""The pages' commands for containers, typed as they are written, on a project of their own.

Run by `python -m tests.compose`; those of a local stack are typed by tests/local/test_readme.py.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import faas_cli, pages
from tests.compose.containers import of_project
from tests.ports import free_ports
from tests.stack import ROOT, until

DOWN = "docker compose down -v"
TYPED_SECONDS = 1200


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    home: Path = tmp_path_factory.mktemp("readme")
    gateway, console = free_ports(2)
    environment = {
        **{name: text for name, text in os.environ.items() if name != "GATEWAY_URL"},
        "PATH": f"{faas_cli.binary().parent}:{os.environ['PATH']}",
        "OPENFAAS_CONFIG": str(home),
        "COMPOSE_PROJECT_NAME": f"readme-{os.getpid()}",
        "SECRETS_DIR": str(home / "secrets"),
        "GATEWAY_PORT": str(gateway),
        "MINIO_CONSOLE_PORT": str(console),
        # A user with the default port names it to nobody.
        "OPENFAAS_URL": f"http://127.0.0.1:{gateway}",
        "OPENFAAS_GATEWAY": f"http://127.0.0.1:{gateway}",
    }
    try:
        yield environment
    finally:
        types(DOWN, environment)


def types(line: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    line = line.replace("127.0.0.1:8080", environment["OPENFAAS_URL"].removeprefix("http://"))
    line = line.replace(".secrets/", f"{environment['SECRETS_DIR']}/")
    return subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True,
        timeout=TYPED_SECONDS, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def completed(line: str, environment: dict[str, str]) -> dict[str, Any] | None:
    answer: dict[str, Any] = json.loads(types(line, environment).stdout)
    return answer if answer["status"] == "completed" else None


@pytest.mark.timeout(TYPED_SECONDS)
@pytest.mark.parametrize("line", pages.commands(pages.CONTAINERS, last=DOWN))
def test_the_command_works_as_it_is_written(line: str, environment: dict[str, str]) -> None:
    done = types(line, environment)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    if line.startswith("curl") and "/api/v1/images" in line:
        # It waits for ten seconds: on a busy machine it is typed again.
        answer = json.loads(done.stdout)
        if answer["status"] != "completed":
            answer = until(lambda: completed(line, environment))
        assert answer["result"]["labels"][0]["label"] == "star"
    if "--scale image-process-consumer=2" in line:
        project = environment["COMPOSE_PROJECT_NAME"]
        consumers = of_project(project, "image-process-consumer")
        health = [each.told["State"]["Health"]["Status"] for each in consumers]
        assert health == ["healthy", "healthy"]
    if "/function/" in line:
        assert '"label":"star"' in done.stdout
