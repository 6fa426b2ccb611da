"""Where a local stack lives and listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.services.settings import ROOT, Ports, SettingsError, Stack


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


def test_every_wrong_port_is_named_at_once() -> None:
    environment = {"REDIS_PORT": "none", "KAFKA_PORT": "70000", "MINIO_PORT": "8080"}

    with pytest.raises(SettingsError) as refused:
        Stack.from_env(environment)

    assert "REDIS_PORT='none'" in str(refused.value)
    assert "KAFKA_PORT='70000'" in str(refused.value)
    assert "port 8080 is given to more than one service" in str(refused.value)


def test_the_addresses_follow_the_ports() -> None:
    stack = Stack.from_env({"MINIO_PORT": "19000", "PROVIDER_PORT": "18081"})

    assert stack.addresses()["MINIO_ENDPOINT"] == "127.0.0.1:19000"
    assert stack.addresses()["OPENFAAS_URL"] == "http://127.0.0.1:18081"
