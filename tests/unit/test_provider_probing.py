"""What a replica is asked, from when, and how often: OpenFaaS' annotations."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.provider.deployments.probing import Probing
from local.provider.deployments.spec import Spec
from local.provider.deployments.version import Version

HEALTH, READY = "com.openfaas.health.http.", "com.openfaas.ready.http."


@pytest.mark.parametrize(
    ("language", "fprocess", "process", "ready_path"),
    [
        ("python3-pipeline", "python index.py", "python index.py", "/_/ready"),
        ("python3-pipeline", "python index.py", "./my-own-server", None),
        ("python3-http", "python index.py", "python index.py", None),
        ("", "", "python index.py", None),
    ],
)
def test_readiness_is_asked_of_our_template_alone(
    tmp_path: Path, language: str, fprocess: str, process: str, ready_path: str | None
) -> None:
    if language:
        text = f"language: {language}\nfprocess: {fprocess}\n"
        (tmp_path / "template.yml").write_text(text)
    spec = Spec({"service": "any", "image": "any", "envProcess": process})

    probing = Version("any-1", spec, tmp_path).probing

    assert (probing.health_path, probing.ready_path) == ("/_/health", ready_path)


def test_annotations_name_the_paths() -> None:
    probing = Probing.of({HEALTH + "path": "/alive", READY + "path": "/warm"}, knows_ready=False)

    assert (probing.health_path, probing.ready_path) == ("/alive", "/warm")


@pytest.mark.parametrize(
    ("annotations", "delays", "period"),
    [
        ({}, (0, 0), None),
        ({HEALTH + "initialDelay": "30s"}, (30, 30), None),
        ({READY + "initialDelaySeconds": "5"}, (0, 5), None),
        ({HEALTH + "initialDelay": "1m", READY + "initialDelay": "2s"}, (60, 2), None),
        ({HEALTH + "periodSeconds": "10s", READY + "periodSeconds": "4"}, (0, 0), 4),
        ({HEALTH + "periodSeconds": "0"}, (0, 0), 0.1),
    ],
)
def test_delays_and_periods_are_durations(
    annotations: dict[str, str], delays: tuple[float, float], period: float | None
) -> None:
    probing = Probing.of(annotations, knows_ready=False)

    assert (probing.health_delay_seconds, probing.ready_delay_seconds) == delays
    assert probing.period_seconds == period


def test_a_replica_that_is_asked_seldom_is_given_up_later() -> None:
    probing = Probing.of({HEALTH + "periodSeconds": "20s", HEALTH + "initialDelay": "7s"}, True)

    assert probing.patience_seconds(15) == 67
    assert Probing().patience_seconds(15) == 15
