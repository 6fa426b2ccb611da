"""No process of ours starts where timeouts do not fit together; each says what to change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.names import FUNCTIONS
from tests.stack import ROOT

BROKEN = {"INVOKE_TIMEOUT_SECONDS": "4"}
ADVICE = "Raise INVOKE_TIMEOUT_SECONDS"
# The command of each, as parts.py, docker-compose.yml and the template have it.
PROCESSES = {
    "image-process-consumer": ["consumers/image-process-consumer/main.py"],
    "async-call-consumer": ["consumers/async-call-consumer/async_calls.py"],
    "classifier-autoscaler": ["consumers/classifier-autoscaler/autoscaler.py"],
    "reconciler": ["-m", "imagectl", "reconcile"],
    "topics": ["-m", "pipeline.kafka.administration"],
    "buckets": ["-m", "pipeline.storage.administration"],
    "provider": ["-m", "local.provider"],
    "provider in a container": ["-m", "local.containers.composed", "provider"],
    "rollout in a container": ["-m", "local.containers.composed", "rollout"],
    "gateway": ["-m", "gateway.render"],
    "supervisor": ["-m", "local.services.supervision.supervisor"],
    "make up": ["-m", "local.services", "up"],
    **{name: ["-c", "import handler"] for name in FUNCTIONS},
}


@pytest.mark.parametrize("name", PROCESSES)
def test_it_refuses_to_start_and_names_the_value_to_change(name: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        **BROKEN,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'functions' / name}",
        "STATE_DIR": str(tmp_path / "state"),
        "GATEWAY_DIR": str(tmp_path / "gateway"),
        "SECRETS_DIR": str(tmp_path / "none"),
    }

    done = subprocess.run(
        [sys.executable, *PROCESSES[name]],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert done.returncode != 0
    said = f"{done.stdout}{done.stderr}"
    assert "INVOKE_TIMEOUT_SECONDS=4" in said
    assert ADVICE in said
    assert list(tmp_path.glob("state/*")) == []
