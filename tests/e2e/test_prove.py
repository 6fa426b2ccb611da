"""`imagectl prove` from outside: all that holds passes, and what cannot be seen is called so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import ids
from tests.imagectl import imagectl
from tests.stack import Stack

pytestmark = pytest.mark.timeout(1200)


def test_every_guarantee_that_is_seen_from_outside_holds(stack: Stack) -> None:
    done = imagectl(stack, "prove", "--images", "20", "--timeout", "300", "--json", seconds=1000)

    verdicts = {1: "pass", 2: "pass", 4: "pass", 6: "pass", 7: "pass"}
    verdicts |= {3: "not seen", 5: "not seen", 8: "not seen"}
    told = json.loads(done.stdout)["lines"]
    found = [(line["guarantee"], line["verdict"]) for line in told]
    assert done.returncode == 0, done.stdout
    assert {guarantee for guarantee, _ in found} == set(verdicts)
    assert all(verdict in ("pass", verdicts[guarantee]) for guarantee, verdict in found), (
        done.stdout
    )
    assert told[0]["figures"]["accepted"] == 20


def test_the_proof_leaves_other_tenants_alone(stack: Stack, quiet: None) -> None:
    before = set(stack.store.keys(ids.INPUT_BUCKET, "default/"))

    done = imagectl(stack, "prove", "--guarantee", "6")

    assert (done.returncode, done.stdout.count("pass")) == (0, 1), done.stdout
    assert set(stack.store.keys(ids.INPUT_BUCKET, "default/")) == before
    assert any(stack.store.keys(ids.INPUT_BUCKET, "prove/"))


def test_without_faults_what_cannot_be_seen_is_said(stack: Stack) -> None:
    done = imagectl(stack, "prove", "--guarantee", "3", "--guarantee", "5", "--images", "2")

    assert (done.returncode, done.stdout.count("not seen")) == (0, 2), done.stdout


def test_an_unknown_key_is_said_and_nothing_is_tried(stack: Stack) -> None:
    wrong = Path(stack.settings.secrets_dir) / "async-call-key"

    done = imagectl(stack, "prove", "--api-key-file", str(wrong))

    assert done.returncode == 1
    assert "answers 401" in done.stderr
