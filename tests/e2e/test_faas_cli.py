"""An unmodified faas-cli on the whole system: it lists, describes, invokes, removes and deploys."""

from __future__ import annotations

import json
import re

import pytest

from pipeline.names import FUNCTIONS
from tests.faas_cli import FaasCli, logged_in, said
from tests.imagectl import current
from tests.stack import ROOT, Stack, until

CLASSIFIER = "image-classifier"
EXAMPLE = ROOT / "models" / "demonstration" / "example.png"

pytestmark = pytest.mark.timeout(1800)  # the first run on a machine builds faas-cli


@pytest.fixture(scope="module")
def faas_cli(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> FaasCli:
    return logged_in(ROOT, tmp_path_factory.mktemp("home"), stack.url, stack.login)


def invoked(faas_cli: FaasCli, stack: Stack) -> str:
    """The label that the classifier gives the example."""
    key = f"X-Api-Key={stack.api_key}"
    answer = said(faas_cli, "invoke", CLASSIFIER, "-H", key, stdin=EXAMPLE.read_bytes())
    return str(json.loads(answer)["labels"][0]["label"])


def invocations(faas_cli: FaasCli) -> int:
    counted = re.findall(rf"^{CLASSIFIER}\s+(\d+)\s+\d+", said(faas_cli, "list"), re.MULTILINE)
    return int(counted[0])


def is_in_service(faas_cli: FaasCli, function: str) -> bool:
    """Whether a function serves as it was deployed last."""
    told = said(faas_cli, "describe", function)
    is_ready = re.search(r"^Status:\s+Ready$", told, re.MULTILINE) is not None
    return is_ready and "in progress" not in told


def test_the_functions_are_listed_with_their_invocations(faas_cli: FaasCli, stack: Stack) -> None:
    before = invocations(faas_cli)

    label = invoked(faas_cli, stack)

    assert label == "star"
    # OpenFaaS' own gateway knows what its Prometheus has asked for.
    until(lambda: invocations(faas_cli) > before)
    assert all(name in said(faas_cli, "list") for name in FUNCTIONS)


def test_a_function_is_described(faas_cli: FaasCli) -> None:
    told = said(faas_cli, "describe", CLASSIFIER)

    assert re.search(rf"^Name:\s+{CLASSIFIER}$", told, re.MULTILINE)
    assert re.search(r"^Status:\s+Ready$", told, re.MULTILINE)


def test_what_was_removed_is_gone_until_stack_yml_is_deployed(
    faas_cli: FaasCli, stack: Stack
) -> None:
    addresses = {**stack.deployer, "OPENFAAS_GATEWAY": stack.url, "MODEL_ID": current(stack)}

    try:
        said(faas_cli, "remove", CLASSIFIER)
        until(lambda: CLASSIFIER not in said(faas_cli, "list"))
    finally:
        said(faas_cli, "deploy", "-f", "stack.yml", stdin=b"", **addresses)
    # All that stack.yml names is updated, and the next test is not to meet it in between.
    until(lambda: all(is_in_service(faas_cli, name) for name in FUNCTIONS), 300)

    assert invoked(faas_cli, stack) == "star"
