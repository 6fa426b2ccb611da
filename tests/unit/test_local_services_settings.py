"""Where a local stack lives and listens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from local.services.ports import Ports, listen_variable
from local.services.servers import kafka
from local.services.settings import ROOT, SettingsError, Stack
from local.services.supervision import parts


def test_without_environment_the_defaults_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")

    stack = Stack.from_env({})

    assert stack.state_dir == ROOT / ".local"
    assert stack.cache_dir == Path("/home/someone/.cache/image-pipeline")
    assert stack.ports == Ports()


def test_a_relative_state_dir_is_below_the_current_folder() -> None:
    assert Stack.from_env({"STATE_DIR": "here"}).state_dir == Path.cwd() / "here"


def test_the_cache_follows_xdg_unless_it_is_given() -> None:
    xdg = {"XDG_CACHE_HOME": "/xdg"}

    assert Stack.from_env(xdg).cache_dir == Path("/xdg/image-pipeline")
    assert Stack.from_env({**xdg, "CACHE_DIR": "/mine"}).cache_dir == Path("/mine")


def test_every_wrong_variable_is_named_at_once() -> None:
    environment = {"REDIS_PORT": "none", "KAFKA_PORT": "70000", "MINIO_PORT": "8080"}
    environment["RECONCILE_EVERY_SECONDS"] = "-1"

    with pytest.raises(SettingsError) as refused:
        Stack.from_env(environment)

    assert "REDIS_PORT='none'" in str(refused.value)
    assert "RECONCILE_EVERY_SECONDS='-1'" in str(refused.value)
    assert "KAFKA_PORT='70000'" in str(refused.value)
    assert "port 8080 is given to more than one service" in str(refused.value)


@pytest.mark.parametrize(("every", "expected"), [("", ["600"]), ("5", ["5"]), ("0", [])])
def test_the_reconciler_runs_as_often_as_it_is_told(
    tmp_path: Path, every: str, expected: list[str]
) -> None:
    environment = {"STATE_DIR": str(tmp_path), "RECONCILE_EVERY_SECONDS": every}

    found = [part for part in parts.all_parts(Stack.from_env(environment)) if "reconc" in part.name]

    assert [part.command[-1] for part in found] == expected


def test_the_addresses_follow_the_ports() -> None:
    stack = Stack.from_env({"MINIO_PORT": "19000", "PROVIDER_PORT": "18081"})

    assert stack.addresses()["MINIO_ENDPOINT"] == "127.0.0.1:19000"
    assert stack.addresses()["OPENFAAS_URL"] == "http://127.0.0.1:18081"


def test_services_listen_where_clients_are_told_unless_said_otherwise() -> None:
    stack = Stack.from_env({"KAFKA_PORT": "19092", "KAFKA_LISTEN_PORT": "29092"})

    assert (stack.ports.kafka, stack.listening.kafka) == (19092, 29092)
    assert stack.addresses()["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:19092"
    assert stack.listening == replace(stack.ports, kafka=29092)
    assert Stack.from_env({}).listening == Ports()


def test_a_port_to_listen_on_is_nobody_elses() -> None:
    environment = {
        "REDIS_LISTEN_PORT": "9000",
        "MINIO_LISTEN_PORT": "x",
        "GATEWAY_LISTEN_PORT": "1",
    }

    with pytest.raises(SettingsError) as refused:
        Stack.from_env(environment)

    assert "port 9000 is given to more than one service" in str(refused.value)
    assert "MINIO_LISTEN_PORT='x'" in str(refused.value)
    assert "GATEWAY" not in str(refused.value)


@pytest.mark.parametrize("service", ["provider", "minio", "kafka", "redis"])
def test_what_a_proxy_stands_before_is_started_and_probed_behind_it(
    service: str, tmp_path: Path
) -> None:
    environment = {"STATE_DIR": str(tmp_path), listen_variable(service): "29999"}
    stack = Stack.from_env(environment)

    part = {part.name: part for part in parts.all_parts(stack)}[service]

    assert part.ports[service] == 29999
    assert vars(part.probe)["port"] == 29999
    assert part.name == "kafka" or "29999" in f"{part.command} {part.environment}"


def test_kafka_sends_its_clients_to_the_proxy(tmp_path: Path) -> None:
    stack = Stack.from_env({"STATE_DIR": str(tmp_path), "KAFKA_LISTEN_PORT": "29092"})

    kafka.prepare(stack)

    properties = (tmp_path / "kafka.properties").read_text()
    assert "\nlisteners=CLIENTS://127.0.0.1:29092," in properties
    assert "\nadvertised.listeners=CLIENTS://127.0.0.1:9092\n" in properties
