"""Every command of README and the pages beside it, in their order, as a new user types it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pipeline.http.openfaas import rollout_of
from tests import faas_cli, pages
from tests.local_stack import START_SECONDS, LocalStack, unstarted_stack
from tests.stack import ROOT, until

COMMANDS = pages.commands(pages.LOCAL, last="make down")
# `make test` is the run this test is part of.
NOT_HERE = {"make test"}

# Of one command.
pytestmark = pytest.mark.timeout(START_SECONDS + 300)


def shown_answer() -> dict[str, Any]:
    """The answer README shows below its curl line."""
    block = next(text for language, text in pages.blocks(pages.README) if language == "json")
    answer: dict[str, Any] = json.loads(block)
    return answer


def same_of_every_run(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without what differs from run to run; scores to three digits."""
    result = {
        key: value
        for key, value in answer["result"].items()
        if key not in {"timings", "traceId", "classifiedAt"}
    }
    result["labels"] = {each["label"]: round(each["score"], 3) for each in result["labels"]}
    return {**answer, "jobId": "", "result": result}


class User:
    """Somebody who types the pages' commands, on a stack whose ports and folder are free."""

    def __init__(self, stack: LocalStack, home: Path) -> None:
        self._stack = stack
        self._home = home
        shutil.copytree(ROOT / "models" / "demonstration", home / "my-model")
        self._path = f"{faas_cli.binary().parent}:{stack.environment['PATH']}"

    def types(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run one line in a shell at the repository's root."""
        gateway = self._stack.url.removeprefix("http://")
        line = line.replace("127.0.0.1:8080", gateway).replace(
            "../my-model", f"{self._home}/my-model"
        )
        line = line.replace(".local/", f"{self._stack.state_dir}/")
        environment = {
            **self._stack.environment,
            "BUILD_DIR": str(ROOT / "build"),  # as for a user: faas-cli builds nowhere else
            "PATH": self._path,
            "OPENFAAS_URL": self._stack.url,
            "OPENFAAS_CONFIG": str(self._home),
            "PROVE_WITHIN_SECONDS": "60",  # as a machine needs that has other work
            **self._addresses(line),
        }
        return subprocess.run(
            ["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True,
            timeout=START_SECONDS,
        )  # fmt: skip

    def has_what_was_deployed(self) -> bool:
        """Whether every function serves, and none is being updated."""
        path = f"{self._stack.provider_url}/system/functions"
        functions = requests.get(path, auth=self._stack.login, timeout=60).json()
        return all(
            each["availableReplicas"] >= each["replicas"] and not rollout_of(each)
            for each in functions
        )

    def _addresses(self, line: str) -> dict[str, str]:
        """Name the ports to whoever deploys; with the default ones nobody needs to."""
        settings = self._stack.settings
        if not line.startswith("faas-cli deploy"):
            return {}
        return {
            "OPENFAAS_GATEWAY": self._stack.url,
            "MINIO_ENDPOINT": settings.minio_endpoint,
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "REDIS_URL": settings.redis_url,
            "OPENFAAS_INTERNAL_URL": self._stack.provider_url,
        }


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    home = tmp_path_factory.mktemp("home")
    with unstarted_stack(tmp_path_factory.mktemp("readme")) as stack:
        yield User(stack, home)


@pytest.mark.parametrize("line", [line for line in COMMANDS if line not in NOT_HERE])
def test_the_command_works_as_it_is_written(user: User, line: str) -> None:
    done = user.types(line)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    if "/async-function/" in line:
        assert " 202 " in done.stdout.partition("\n")[0]
        assert re.search("^X-Call-Id: .", done.stdout, re.MULTILINE)
    elif line.startswith(("curl", "faas-cli invoke")):
        assert '"label":"star"' in done.stdout
    if line.startswith("curl") and "/api/v1/images" in line:
        assert same_of_every_run(json.loads(done.stdout)) == same_of_every_run(shown_answer())
    if line.startswith("faas-cli list"):
        invocations, replicas = re.findall(r"^image-classifier\s+(\d+)\s+(\d+)", done.stdout, re.M)[
            0
        ]
        assert int(invocations) >= 1
        assert int(replicas) == 1
    if line.startswith("faas-cli deploy"):
        # It does not wait; the next command may want what it has deployed.
        until(user.has_what_was_deployed, 300)
