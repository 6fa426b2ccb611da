"""A stack at work sends nothing to anybody but itself, and only its gateway can be reached."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.stack import ROOT

_SECONDS = 900


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a network of its own saw of a stack, and of packets sent there on purpose."""
    assert os.geteuid() == 0, "a network that is watched takes a namespace: this test needs root"
    folder = tmp_path_factory.mktemp("outbound")
    apart = ["unshare", "--net", "--mount", "--propagation", "private"]
    done = subprocess.run(
        [*apart, sys.executable, "-m", "tests.local.outbound_world", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_what_is_sent_on_purpose_is_seen(seen: dict[str, Any]) -> None:
    """Or the next test would prove nothing: a name looked up, and a connection of each kind."""
    assert {
        "protocol 17 to 192.0.2.53 port 53",
        "protocol 6 to 198.51.100.7 port 443",
        "protocol 6 to 2001:db8:1::7 port 443",
    } <= set(seen["on purpose"])


def test_a_stack_at_work_sends_nothing_to_anybody(seen: dict[str, Any]) -> None:
    assert seen["of the stack"] == []


def test_of_a_stack_that_is_opened_the_gateway_alone_is_reached(seen: dict[str, Any]) -> None:
    assert seen["open to others"] == seen["gateway"]
    assert seen["here"] > 10
