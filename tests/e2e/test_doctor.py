"""The doctor finds nothing wrong with a sound stack, and finds what was planted into one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from minio import Minio
from minio.deleteobjects import DeleteObject

from imagectl.doctor.finding import FAILED, OK, WARNING
from pipeline.ids import CALL_BUCKET, MODEL_BUCKET
from pipeline.kafka import topics
from pipeline.kafka.clients import connection
from pipeline.storage import administration
from tests.chaos import buckets
from tests.imagectl import current
from tests.stack import Stack, run_module, until

# The machine may have other work; what hangs is left behind after so long.
_BUDGET_SECONDS = 60
# How much room the machine of the tests has, and when the supervisor of a local stack last looked.
_OF_THE_MACHINE = {"disk", "memory", "processes"}
_EVERYBODY_READS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ["*"]},
            "Action": ["s3:GetObject"],
            "Resource": [f"arn:aws:s3:::{CALL_BUCKET}/*"],
        }
    ],
}

Told = dict[str, dict[str, Any]]


def doctor(stack: Stack, **given: str) -> tuple[int, Told]:
    """Run it as whoever operates this stack; its status, and what it said by check."""
    done = run_module(
        "imagectl", "doctor", "--json", "--budget", str(_BUDGET_SECONDS),
        cwd=stack.root, environment={**stack.operator, **given}, seconds=300,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, {each["check"]: each for each in json.loads(done.stdout)["checks"]}


def failed(told: Told) -> set[str]:
    """Which checks failed, of those that tell of the stack."""
    return {name for name, each in told.items() if each["state"] == FAILED} - _OF_THE_MACHINE


def alone(stack: Stack, check: str, **given: str) -> dict[str, Any]:
    """Ask until this check fails, and no other; a busy part may be late to answer."""

    def found() -> dict[str, Any] | None:
        status, told = doctor(stack, **given)
        return told[check] if (status, failed(told)) == (2, {check}) else None

    return until(found, 300)


@pytest.fixture(scope="module", autouse=True)
def sound_stack(stack: Stack) -> Told:
    """Nothing is wrong; what other tests left behind may take a moment to go."""

    def is_sound() -> Told | None:
        _, told = doctor(stack)
        wrong = {name for name, each in told.items() if each["state"] != OK}
        return told if wrong <= _OF_THE_MACHINE else None

    return until(is_sound, 300)


@pytest.fixture
def minio(stack: Stack) -> Minio:
    return buckets.client(stack)


def test_a_sound_stack_is_ok_in_every_check(sound_stack: Told) -> None:
    looked_at = {"timeouts", "gateway", "topics", "policies", "loaded models"}

    assert looked_at | _OF_THE_MACHINE <= sound_stack.keys()
    assert "did not tell" not in sound_stack["clocks"]["found"]


def test_a_redis_that_hangs_is_a_warning_as_answers_still_come(stack: Stack) -> None:
    with stack.frozen("redis"):
        status, told = doctor(stack)

    assert status > 0
    assert told["redis"]["state"] == WARNING
    assert "REDIS_URL" in told["redis"]["change"]
    assert failed(told) == set()


def test_a_part_that_hangs_fails_its_own_checks(stack: Stack) -> None:
    with stack.frozen("minio"):
        status, told = doctor(stack)

    assert status == 2
    assert "MINIO_ENDPOINT" in told["minio"]["change"]
    assert told["gateway"]["state"] == told["kafka"]["state"] == told["topics"]["state"] == OK


def test_a_missing_bucket_is_named(stack: Stack, minio: Minio) -> None:
    every = minio.list_objects(CALL_BUCKET, recursive=True, include_version=True)
    gone = [DeleteObject(str(it.object_name), it.version_id) for it in every]
    assert [*minio.remove_objects(CALL_BUCKET, gone)] == []
    minio.remove_bucket(CALL_BUCKET)
    try:
        told = alone(stack, "buckets")
    finally:
        administration.apply(stack.settings)

    assert f"there is no bucket {CALL_BUCKET}" in told["found"]
    assert "pipeline.storage.administration" in told["change"]


def test_a_bucket_that_everybody_reads_is_named(stack: Stack, minio: Minio) -> None:
    minio.set_bucket_policy(CALL_BUCKET, json.dumps(_EVERYBODY_READS))
    try:
        told = alone(stack, "policies")
    finally:
        minio.delete_bucket_policy(CALL_BUCKET)

    assert f"{CALL_BUCKET} allows s3:GetObject to everybody" in told["found"]


@contextmanager
def members(stack: Stack, group: str, count: int) -> Iterator[None]:
    """Have consumers in a group of their own, until all of them have joined."""
    told = {
        **connection(stack.settings),
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "latest",
    }
    joined: list[Consumer] = [Consumer(told) for _ in range(count)]
    try:
        for each in joined:
            each.subscribe([topics.RESULTS.name])
        until(lambda: all([each.poll(0.05) is None and each.memberid() for each in joined]))
        yield
    finally:
        for each in joined:
            each.close()


def test_more_consumers_than_partitions_are_named(stack: Stack) -> None:
    group, count = "doctor-test", 4

    with members(stack, group, count):
        told = alone(stack, "groups", CONSUMER_GROUP=group)

    assert f"{count} consumers in {group}, image-uploads has 3 partitions" in told["found"]
    assert f"raise KAFKA_PARTITIONS to {count}" in told["change"]


@pytest.mark.parametrize(
    ("given", "check", "found", "change"),
    [
        ({"KAFKA_PARTITIONS": "7"}, "topics", "image-uploads has 3 partitions", "KAFKA_PARTITIONS"),
        (
            {"KAFKA_REPLICATION_FACTOR": "3"}, "replication",
            "KAFKA_REPLICATION_FACTOR=3, and 1 brokers", "lower KAFKA_REPLICATION_FACTOR to 1",
        ),
        ({"ASYNC_CALL_GROUP": "nobodys"}, "groups", "the group nobodys", "ASYNC_CALL_GROUP"),
        ({"INVOKE_TIMEOUT_SECONDS": "9"}, "timeouts", "=9", "Raise INVOKE_TIMEOUT_SECONDS"),
        ({"GATEWAY_URL": "http://127.0.0.1:9"}, "gateway", "127.0.0.1:9", "GATEWAY_URL"),
        ({"PARTS": "one=http://127.0.0.1:9"}, "consumers", "one: http://127.0.0.1:9", "one"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_is_said_to_be_is_named(
    stack: Stack, given: dict[str, str], check: str, found: str, change: str
) -> None:
    status, told = doctor(stack, **given)

    assert status == 2
    assert told[check]["state"] == FAILED
    assert found in told[check]["found"]
    assert change in told[check]["change"]


def test_functions_that_were_deployed_with_other_times_are_named(stack: Stack) -> None:
    status, told = doctor(stack, REQUEST_TIMEOUT_SECONDS="45")

    assert status > 0
    assert "image-upload was given EXEC_TIMEOUT=" in told["deployed"]["found"]
    assert "EXEC_TIMEOUT" in told["deployed"]["change"]


def test_a_secret_that_the_world_reads_is_named(stack: Stack) -> None:
    path = Path(stack.settings.secrets_dir) / "job-signing-key"
    before = path.stat().st_mode & 0o777
    path.chmod(0o644)
    try:
        told = alone(stack, "secrets")
    finally:
        path.chmod(before)

    assert told["change"] == f"chmod 600 {path}"


@pytest.mark.parametrize("file", ["model.tflite", "labels.txt"])
def test_a_model_that_was_changed_by_one_bit_is_named(stack: Stack, file: str) -> None:
    key = f"{current(stack)}/{file}"
    whole = stack.store.get(MODEL_BUCKET, key) or b""
    changed = bytes([whole[0] ^ 1]) + whole[1:]
    stack.store.put(MODEL_BUCKET, key, changed, "application/octet-stream")
    try:
        told = alone(stack, "model")
    finally:
        stack.store.put(MODEL_BUCKET, key, whole, "application/octet-stream")

    assert key in told["found"]
    assert "models add" in told["change"]
