"""What the chart repeats of other files is what they say.

That an upgrade keeps the secrets takes a cluster: tests/kubernetes looks.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.services import credentials
from pipeline.access import accounts
from pipeline.access.accounts import KAFKA, REDIS, SETUP, secret_name
from pipeline.access.login import Login, names_of
from pipeline.access.redis_user_file import main as write_redis_users
from tests.chart import pods
from tests.chart.pods import Pod
from tests.helm import NAMESPACE, rendered
from tests.stack import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
STACK: dict[str, Any] = yaml.safe_load((ROOT / "stack.yml").read_text())["functions"]
OF_OPENFAAS = {"basic-auth-user", "basic-auth-password"}
# The step, and what the chart calls it.
SAME = {
    "gateway": "gateway",
    "image-process-consumer": "image-process-consumer",
    "async-call-consumer": "async-call-consumer",
    "classifier-autoscaler": "classifier-autoscaler",
    "reconciler": "reconciler",
    "topics": "topics",
    "buckets": "buckets",
    "kafka": "kafka",
    "minio": "minio",
}
ADVERTISED = "KAFKA_ADVERTISED_LISTENERS"


def pod(part: str, values: str = "demo") -> Pod:
    (found,) = (each for each in pods.of(rendered(values)) if each.part == part)
    return found


def files(volume: dict[str, Any]) -> set[str]:
    sources = volume.get("projected", {}).get("sources", [])
    return {item["path"] for each in sources for item in each.get("secret", {}).get("items", [])}


def given(part: str, volume: str = "secrets", values: str = "demo") -> set[str]:
    (found,) = (each for each in pod(part, values).spec["volumes"] if each["name"] == volume)
    return files(found)


def made() -> dict[str, str]:
    """The Secret with all files."""
    (secret,) = (
        each for each in rendered("demo")
        if each["kind"] == "Secret" and each["metadata"]["namespace"] == NAMESPACE
    )  # fmt: skip
    return {name: base64.b64decode(text).decode() for name, text in secret["data"].items()}


@pytest.mark.parametrize("service", SAME)
def test_a_part_is_given_the_secrets_that_its_container_is_given(service: str) -> None:
    assert given(SAME[service]) == set(COMPOSE[service]["secrets"])


def test_the_first_keys_are_shown_to_the_step_that_takes_them_up_alone() -> None:
    mounts = {
        each["name"]: {it["name"] for it in each["volumeMounts"]}
        for each in pod("gateway").containers()
    }

    assert given("gateway", "first-keys") == set(COMPOSE["keys"]["secrets"])
    assert "first-keys" in mounts["keys"]
    assert "first-keys" not in mounts["gateway"]


def test_functions_have_the_secrets_that_the_stack_names() -> None:
    named = {name for function in STACK.values() for name in function["secrets"]}
    secrets = {
        each["metadata"]["name"]: each["data"]
        for each in rendered("demo")
        if each["kind"] == "Secret" and each["metadata"]["namespace"] == "openfaas-fn"
    }

    assert secrets.keys() == named
    assert all(data.keys() == {name} for name, data in secrets.items())
    told = {name: base64.b64decode(data[name]).decode() for name, data in secrets.items()}
    assert told.items() <= made().items()


def test_secrets_are_those_of_a_stack(tmp_path: Path) -> None:
    credentials.make_for_containers(tmp_path)
    there = {path.name for path in tmp_path.iterdir()}
    # Written where they are read, or of nobody here.
    elsewhere = {credentials.REDIS_USERS, credentials.KAFKA_UI, credentials.MASTER_KEY}

    assert made().keys() == there - elsewhere - OF_OPENFAAS


def test_logins_are_of_their_accounts_and_keys_are_long_and_different() -> None:
    secrets = made()
    logins = {
        secret_name(service, account.name): account.name
        for service in accounts.SERVICES
        for account in accounts.having(service)
    }
    for name, account in logins.items():
        login = Login.parse(secrets[name])
        assert login.name == names_of(account)[0]
        assert len(login.password) >= 40
    keys = [text for name, text in secrets.items() if name.endswith("-key")]
    assert len(set(keys)) == len(keys)
    assert secrets["minio-setup"] == f"{secrets['minio-access-key']}:{secrets['minio-secret-key']}"
    name, _, key = secrets["minio-encryption-key"].partition(":")
    assert (name, len(base64.b64decode(key))) == ("image-pipeline", 32)


def test_kafka_reads_the_logins_that_a_stack_writes() -> None:
    secrets = made()
    setup = Login.parse(secrets[secret_name(KAFKA, SETUP)])

    expected = credentials._KAFKA_LOGINS.format(
        broker=secrets["kafka-broker"], name=setup.name, password=setup.password
    )
    assert secrets["kafka-logins"] == expected


def test_redis_is_given_what_its_users_are_made_of(tmp_path: Path) -> None:
    secrets = made()
    for name in given("redis"):
        (tmp_path / name).write_text(secrets[name])
    write_redis_users(tmp_path, tmp_path / "users")

    text = (tmp_path / "users").read_text()
    for account in accounts.having(REDIS):
        login = Login.parse(secrets[secret_name(REDIS, account.name)])
        digest = hashlib.sha256(login.password.encode()).hexdigest()
        assert re.search(rf"^user {login.name} .*#{digest}", text, re.MULTILINE)


@pytest.mark.parametrize("service", ["kafka", "minio"])
def test_a_service_of_the_demo_is_told_what_its_container_is(service: str) -> None:
    (container,) = pod(service).spec["containers"]
    told = {each["name"]: each["value"] for each in container["env"]}
    expected = {name: str(text) for name, text in COMPOSE[service]["environment"].items()}

    assert told.pop(ADVERTISED, None) == (
        "CLIENTS://image-pipeline-kafka.image-pipeline.svc:9092,BROKER://127.0.0.1:9094"
        if service == "kafka"
        else None
    )
    expected.pop(ADVERTISED, None)
    assert told == expected
    assert container["image"] == COMPOSE[service]["image"]


def test_redis_of_the_demo_is_started_as_its_container() -> None:
    (container,) = pod("redis").spec["containers"]

    ours = [word.replace("/users/", "/run/secrets/") for word in container["command"]]
    assert ours == COMPOSE["redis"]["command"]
    assert container["image"] == COMPOSE["redis"]["image"]


@pytest.mark.parametrize("service", ["async-call-consumer", "classifier-autoscaler"])
def test_a_consumer_runs_what_its_container_runs(service: str) -> None:
    (container,) = pod(service).spec["containers"]

    assert container["command"] == COMPOSE[service]["command"]
