"""The doctor names what is wrong with a configuration, and the value to change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import certifi
import pytest

from imagectl.doctor.command import examined
from imagectl.doctor.configuration import PORTS
from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import FAILED, OK, WARNING, Finding
from local.services import credentials
from local.services.ports import Ports
from local.services.settings import Stack
from tests.ports import free_ports
from tests.stack import ROOT

_SECONDS = 60.0
# The environment, the check that fails, what it found, and the value that it says to change.
BROKEN = {
    "a number that is none": (
        {"BATCH_SIZE": "many"}, "settings", "BATCH_SIZE='many'", "change BATCH_SIZE",
    ),
    "a size of nothing": (
        {"MAX_IMAGE_BYTES": "0"}, "settings", "MAX_IMAGE_BYTES='0'", "change MAX_IMAGE_BYTES",
    ),
    "more partitions than may be": (
        {"KAFKA_PARTITIONS": "1000"}, "settings", "KAFKA_PARTITIONS='1000'",
        "change KAFKA_PARTITIONS",
    ),
    "a time that is no number": (
        {"STORE_TIMEOUT_SECONDS": "soon"}, "timeouts", "STORE_TIMEOUT_SECONDS='soon'",
        "change STORE_TIMEOUT_SECONDS",
    ),
    "a consumer that gives up first": (
        {"INVOKE_TIMEOUT_SECONDS": "10"}, "timeouts", "INVOKE_TIMEOUT_SECONDS=10",
        "Raise INVOKE_TIMEOUT_SECONDS",
    ),
    "an inference that takes longer than a replica may to start": (
        {"REQUEST_TIMEOUT_SECONDS": "600", "PROVIDER_ROLLOUT_SECONDS": "120"}, "timeouts",
        "PROVIDER_ROLLOUT_SECONDS=120", "raise PROVIDER_ROLLOUT_SECONDS",
    ),
    "an upload that waits longer than it may": (
        {"MAX_WAIT_SECONDS": "90"}, "timeouts", "MAX_WAIT_SECONDS=90", "Lower MAX_WAIT_SECONDS",
    ),
    "calls that end before their function": (
        {"ASYNC_CALL_SECONDS": "60"}, "timeouts", "ASYNC_CALL_SECONDS=60",
        "Raise ASYNC_CALL_SECONDS",
    ),
    "retries of what is deleted": (
        {"RETRY_MAX_SECONDS": "999999"}, "timeouts", "RETRY_MAX_SECONDS=999999",
        "Lower RETRY_MAX_SECONDS",
    ),
    "one port for two": (
        {"MINIO_PORT": "9092"}, "ports", "MINIO_PORT and KAFKA_PORT are 9092",
        "change MINIO_PORT or KAFKA_PORT",
    ),
    "a port that is none": (
        {"REDIS_PORT": "70000"}, "ports", "REDIS_PORT=70000", "change REDIS_PORT",
    ),
    "an issuer in clear": (
        {"OIDC_ISSUER": "http://issuer.example", "OIDC_AUDIENCE": "images"}, "issuer",
        "OIDC_ISSUER='http://issuer.example'", "change OIDC_ISSUER",
    ),
    "an issuer whose tokens are for anybody": (
        {"OIDC_ISSUER": "https://issuer.example"}, "issuer", "OIDC_AUDIENCE is empty",
        "change OIDC_AUDIENCE",
    ),
    "tenants that are none": (
        {"OIDC_ISSUER": "https://issuer.example", "OIDC_AUDIENCE": "images",
         "OIDC_TENANTS": "staff=A; OIDC"}, "issuer", "OIDC_TENANTS: 'staff=A; OIDC'",
        "change OIDC_TENANTS",
    ),
    "nobody who vouches for the issuer": (
        {"OIDC_ISSUER": "https://issuer.example", "OIDC_AUDIENCE": "images",
         "OIDC_CA_FILE": "/nowhere/ca.pem"}, "issuer", "OIDC_CA_FILE=/nowhere/ca.pem",
        "change OIDC_CA_FILE",
    ),
    "a rate that is none": (
        {"KEY_RATE": "fast"}, "rate", "KEY_RATE='fast'", "change KEY_RATE or KEY_BURST",
    ),
    "a burst that is no number": (
        {"KEY_RATE": "5/s", "KEY_BURST": "many"}, "rate", "KEY_BURST='many'", "change KEY_BURST",
    ),
    "no secrets where they are said to be": (
        {"SECRETS_DIR": "/nowhere"}, "secrets", "there is no folder /nowhere", "SECRETS_DIR names",
    ),
}  # fmt: skip


def findings(
    environment: Mapping[str, str], stack: Path = ROOT / "stack.yml"
) -> dict[str, Finding]:
    """What the doctor finds without anything running, by check."""
    given = {"STATE_DIR": "/nowhere", **environment}
    found = examined(Deployment(given, stack), _SECONDS, is_offline=True)
    return {each.check: each for each in found}


def wrong(found: dict[str, Finding]) -> set[str]:
    return {name for name, each in found.items() if each.state != OK} - {"free ports"}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_configuration_fails_one_check_which_names_the_value(name: str) -> None:
    environment, check, found, change = BROKEN[name]

    told = findings(environment)

    assert wrong(told) == {check}
    assert told[check].state == FAILED
    assert found in told[check].found
    assert change in told[check].change
    assert told[check].wanted


SOUND: dict[str, dict[str, str]] = {
    "a rate": {"KEY_RATE": "50/s", "KEY_BURST": "100"},
    "no rate": {"KEY_RATE": "none"},
    "an issuer": {
        "OIDC_ISSUER": "https://issuer.example/realms/a", "OIDC_AUDIENCE": "images",
        "OIDC_TENANTS": "staff=press,guests=guests", "OIDC_PORT": "9085",
    },
    "an issuer on this machine": {
        "OIDC_ISSUER": "http://127.0.0.1:9000", "OIDC_AUDIENCE": "images",
        "OIDC_CA_FILE": certifi.where(),
    },
    "a port for bearer tokens that nobody takes": {"OIDC_PORT": "9085"},
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_configuration_fails_nothing(name: str) -> None:
    assert wrong(findings(SOUND[name])) == set()


@pytest.mark.parametrize(
    ("environment", "check", "change"),
    [
        ({"OIDC_AUDIENCE": "images"}, "issuer", "set OIDC_ISSUER"),
        ({"KEY_BURST": "5"}, "rate", "set KEY_RATE"),
    ],
)
def test_what_says_nothing_by_itself_is_a_warning(
    environment: dict[str, str], check: str, change: str
) -> None:
    told = findings(environment)

    assert wrong(told) == {check}
    assert told[check].state == WARNING
    assert change in told[check].change


def test_the_defaults_are_sound() -> None:
    assert wrong(findings({})) == set()


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, str]:
    """An environment with the secrets of a local stack."""
    stack = Stack.from_env({"STATE_DIR": str(tmp_path / "state")})
    credentials.make(stack)
    return {"SECRETS_DIR": str(stack.secrets_dir)}


def test_secrets_that_only_their_owner_reads_are_sound(secrets: dict[str, str]) -> None:
    assert wrong(findings(secrets)) == set()


def test_secrets_as_they_are_made_for_containers_are_sound(tmp_path: Path) -> None:
    credentials.make_for_containers(tmp_path / "secrets")

    assert wrong(findings({"SECRETS_DIR": str(tmp_path / "secrets")})) == set()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_secret_that_others_may_read_is_named(secrets: dict[str, str], mode: int) -> None:
    path = Path(secrets["SECRETS_DIR"]) / "job-signing-key"
    path.chmod(mode)

    told = findings(secrets)["secrets"]

    assert f"{path} has mode {mode:04o}" in told.found
    assert told.change == f"chmod 600 {path}"


def test_a_folder_of_secrets_that_others_may_enter_is_named(secrets: dict[str, str]) -> None:
    folder = Path(secrets["SECRETS_DIR"])
    folder.chmod(0o755)

    assert f"{folder} has mode 0755" in findings(secrets)["secrets"].found


@pytest.mark.parametrize("content", [None, ""])
def test_a_secret_that_is_missing_or_empty_is_named(
    secrets: dict[str, str], content: str | None
) -> None:
    path = Path(secrets["SECRETS_DIR"]) / "minio-image-upload"
    path.unlink()
    if content is not None:
        path.touch(0o600)

    told = findings(secrets)["secrets"]

    assert told.state == FAILED
    assert "minio-image-upload" in told.found


def _stack_file(folder: Path, before: str, after: str) -> Path:
    text = (ROOT / "stack.yml").read_text(encoding="utf-8")
    assert before in text
    (folder / "stack.yml").write_text(text.replace(before, after, 1), encoding="utf-8")
    return folder / "stack.yml"


@pytest.mark.parametrize(
    ("before", "after", "found", "change"),
    [
        (
            "EXEC_TIMEOUT: ${REQUEST_TIMEOUT_SECONDS:-default}", "EXEC_TIMEOUT: 2m",
            "EXEC_TIMEOUT of image-upload is 120 s", "raise REQUEST_TIMEOUT_SECONDS",
        ),
        (
            "EXEC_TIMEOUT: ${REQUEST_TIMEOUT_SECONDS:-default}", "EXEC_TIMEOUT: soon",
            "EXEC_TIMEOUT is 'soon'", "image-upload in stack.yml",
        ),
        (
            'MAX_INFLIGHT: "42"', 'STORE_TIMEOUT_SECONDS: "75"',
            "STORE_TIMEOUT_SECONDS=75", "image-upload in stack.yml",
        ),
        ("  image-results:\n", "  results:\n", "there is no image-results", "stack.yml"),
        ("${MODEL_ID:-current}", "${MODEL_ID^^}", "bad substitution", "mend"),
        ("functions:\n", "functions: [\n", "cannot be read", "mend"),
    ],
)  # fmt: skip
def test_a_stack_file_that_does_not_fit_is_named(
    tmp_path: Path, before: str, after: str, found: str, change: str
) -> None:
    told = findings({}, _stack_file(tmp_path, before, after))

    assert wrong(told) == {"functions"}
    assert found in told["functions"].found
    assert change in told["functions"].change


def test_the_doctor_knows_the_ports_of_the_local_stack() -> None:
    known = {f"{name.upper()}_PORT": port for name, port in vars(Ports()).items()}

    assert known == PORTS


@pytest.mark.parametrize(("environment", "status"), [({}, 0), ({"BATCH_SIZE": "many"}, 2)])
def test_the_command_prints_a_line_a_check_and_ends_with_the_worst(
    environment: dict[str, str], status: int, tmp_path: Path
) -> None:
    free = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    given = {**os.environ, **free, "STATE_DIR": str(tmp_path), **environment}
    command = [sys.executable, "-m", "imagectl", "doctor", "--offline", "--json"]

    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True)

    told = {each["check"]: each["state"] for each in json.loads(done.stdout)["checks"]}
    assert done.returncode == status
    assert told["settings"] == ("failed" if status else "ok")
