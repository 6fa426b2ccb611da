"""The chain of timeouts: one number leads, and a link that is broken names what to change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pipeline.errors import SettingsError
from pipeline.settings import Settings
from pipeline.timeouts import chain
from pipeline.timeouts.chain import Chain, check
from pipeline.timeouts.defaults import SHUTDOWN_GRACE_SECONDS
from tests.stack import ROOT
from tests.timeouts_table import table

# Each with the values that its message names, in words of the environment, and what to do.
BROKEN = {
    "consumer gives up before the provider": (
        {"INVOKE_TIMEOUT_SECONDS": "66"},
        ("INVOKE_TIMEOUT_SECONDS=66", "66 s: PROVIDER_WAIT_SECONDS + REQUEST_TIMEOUT_SECONDS + 1"),
        "Raise INVOKE_TIMEOUT_SECONDS (left out, it follows), or lower PROVIDER_WAIT_SECONDS or"
        " REQUEST_TIMEOUT_SECONDS",
    ),
    "function takes longer than its callers wait": (
        {"EXEC_TIMEOUT": "2m"},
        ("EXEC_TIMEOUT=120", "60 s: REQUEST_TIMEOUT_SECONDS"),
        "Lower EXEC_TIMEOUT, or raise REQUEST_TIMEOUT_SECONDS",
    ),
    "replicas given up before their first inference": (
        {"REQUEST_TIMEOUT_SECONDS": "300", "PROVIDER_ROLLOUT_SECONDS": "120"},
        ("REQUEST_TIMEOUT_SECONDS=300", "PROVIDER_ROLLOUT_SECONDS=120"),
        "Lower REQUEST_TIMEOUT_SECONDS, or raise PROVIDER_ROLLOUT_SECONDS (left out, it follows)",
    ),
    "asynchronous calls given up before the provider": (
        {"MAX_FUNCTION_SECONDS": "7200", "ASYNC_CALL_SECONDS": "3600"},
        ("7260 s: MAX_FUNCTION_SECONDS + PROVIDER_WAKE_SECONDS + 30", "ASYNC_CALL_SECONDS=3600"),
        "Raise ASYNC_CALL_SECONDS (left out, it follows), or lower MAX_FUNCTION_SECONDS or",
    ),
    "MinIO waited for longer than a call": (
        {"STORE_TIMEOUT_SECONDS": "60"},
        ("STORE_TIMEOUT_SECONDS=60", "60 s: REQUEST_TIMEOUT_SECONDS"),
        "Lower STORE_TIMEOUT_SECONDS, or raise EXEC_TIMEOUT or REQUEST_TIMEOUT_SECONDS",
    ),
    "Kafka waited for longer than a call": (
        {"REQUEST_TIMEOUT_SECONDS": "2", "PRODUCE_TIMEOUT_SECONDS": "2.5"},
        ("PRODUCE_TIMEOUT_SECONDS=2.5", "2 s: REQUEST_TIMEOUT_SECONDS"),
        "Lower PRODUCE_TIMEOUT_SECONDS, or raise EXEC_TIMEOUT or REQUEST_TIMEOUT_SECONDS",
    ),
    "Redis waited for longer than a call": (
        {"CACHE_TIMEOUT_SECONDS": "61"},
        ("CACHE_TIMEOUT_SECONDS=61", "60 s: REQUEST_TIMEOUT_SECONDS"),
        "Lower CACHE_TIMEOUT_SECONDS, or raise",
    ),
    "one image decoded for longer than a call": (
        {"MAX_DECODE_SECONDS": "90"},
        ("MAX_DECODE_SECONDS=90", "60 s: REQUEST_TIMEOUT_SECONDS"),
        "Lower MAX_DECODE_SECONDS, or raise",
    ),
    "an upload that waits longer than it may": (
        {"MAX_WAIT_SECONDS": "60"},
        ("MAX_WAIT_SECONDS=60", "60 s: REQUEST_TIMEOUT_SECONDS"),
        "Lower MAX_WAIT_SECONDS, or raise",
    ),
    "the same, by a shorter function": (
        {"MAX_WAIT_SECONDS": "30", "EXEC_TIMEOUT": "20s"},
        ("MAX_WAIT_SECONDS=30", "EXEC_TIMEOUT=20"),
        "Lower MAX_WAIT_SECONDS, or raise EXEC_TIMEOUT",
    ),
    "a first retry later than any": (
        {"RETRY_BASE_SECONDS": "90"},
        ("RETRY_BASE_SECONDS=90", "60 s"),
        "Lower RETRY_BASE_SECONDS, or raise RETRY_MAX_SECONDS",
    ),
    "retries of what Kafka has deleted": (
        {"RETRY_MAX_SECONDS": "604800"},
        ("RETRY_MAX_SECONDS=604800", "604800 s: 7 days"),
        "Lower RETRY_MAX_SECONDS",
    ),
    "calls that Kafka has deleted": (
        {"ASYNC_CALL_WAIT_SECONDS": "1e6"},
        ("ASYNC_CALL_WAIT_SECONDS=1e+06", "604800 s: 7 days"),
        "Lower ASYNC_CALL_WAIT_SECONDS",
    ),
    "a function killed while it takes requests": (
        {"SHUTDOWN_GRACE_SECONDS": "30"},
        ("SHUTDOWN_GRACE_SECONDS=30", "SIGTERM to SIGKILL (30 s)"),
        "Lower SHUTDOWN_GRACE_SECONDS",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_link_names_both_values_and_the_one_to_change(name: str) -> None:
    environment, values, advice = BROKEN[name]

    with pytest.raises(ValueError, match="must be") as refused:
        check(environment)

    for text in (*values, advice):
        assert text in str(refused.value)


@pytest.mark.parametrize("seconds", [1, 2, 7, 60, 61, 600, 5000, 100_000])
def test_whatever_one_inference_takes_all_others_follow(seconds: int) -> None:
    chain = check({"REQUEST_TIMEOUT_SECONDS": str(seconds)})

    assert chain.seconds("gateway") == chain.seconds("consumer") == seconds + 15
    assert chain.seconds("poll") > chain.seconds("consumer")


@pytest.mark.parametrize("variable", ["PROVIDER_WAIT_SECONDS", "PROVIDER_WAKE_SECONDS"])
@pytest.mark.parametrize("seconds", [1, 120, 3600])
def test_whatever_a_replica_takes_to_start_all_others_follow(variable: str, seconds: int) -> None:
    check({variable: str(seconds)})


def test_all_that_is_broken_is_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"MAX_WAIT_SECONDS=70.*INVOKE_TIMEOUT_SECONDS=4"):
        check({"MAX_WAIT_SECONDS": "70", "INVOKE_TIMEOUT_SECONDS": "4"})


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf", "1s"])
def test_what_is_no_number_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"PROVIDER_ROLLOUT_SECONDS='{text}'"):
        check({"PROVIDER_ROLLOUT_SECONDS": text})


@pytest.mark.parametrize("text", ["", "default", "0"])
def test_what_is_left_out_follows(text: str) -> None:
    assert check({"INVOKE_TIMEOUT_SECONDS": text}).seconds("consumer") == 75


def test_the_settings_of_a_process_are_those_of_the_chain() -> None:
    settings = Settings.from_env({"REQUEST_TIMEOUT_SECONDS": "2", "MAX_FUNCTION_SECONDS": "9"})

    assert settings.store_timeout_seconds == 1.0
    assert settings.max_wait_seconds == 1
    assert settings.classifier_call_seconds == 17
    assert settings.longest_async_call_seconds == 9 + 30 + 35


def test_what_is_set_by_hand_stays() -> None:
    settings = Settings.from_env({"INVOKE_TIMEOUT_SECONDS": "500", "STORE_TIMEOUT_SECONDS": "30"})

    assert (settings.classifier_call_seconds, settings.store_timeout_seconds) == (500, 30)


def test_settings_say_what_is_broken() -> None:
    with pytest.raises(SettingsError, match="INVOKE_TIMEOUT_SECONDS=4"):
        Settings.from_env({"INVOKE_TIMEOUT_SECONDS": "4"})


def test_defaults_are_the_same_with_and_without_an_environment() -> None:
    assert Settings.from_env({}) == Settings()


def test_the_template_knows_the_same_grace() -> None:
    text = (ROOT / "template/python3-pipeline/runtime/settings.py").read_text(encoding="utf-8")

    assert f'"SHUTDOWN_GRACE_SECONDS", {SHUTDOWN_GRACE_SECONDS:g}, ' in text


def test_the_page_tells_the_chain() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    assert "\n".join(table()) in page


def test_containers_are_killed_as_late_as_all_else() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    told = {each.get("stop_grace_period") for each in services.values()} - {None}

    assert told == {f"{Chain.from_env({}).seconds('kill'):g}s"}


def _ours() -> dict[str, dict[str, object]]:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    found = {name: each for name, each in services.items() if ":" not in each["image"]}
    # One runs nothing of ours; the other waits for its issuer alone, and for no setting.
    return {name: each for name, each in found.items() if name not in ("volumes", "token-verifier")}


@pytest.mark.parametrize("service", _ours())
def test_every_container_of_ours_is_told_the_whole_chain(service: str) -> None:
    of_functions = {"EXEC_TIMEOUT", "SHUTDOWN_GRACE_SECONDS"}

    told = _ours()[service]["environment"]

    assert isinstance(told, dict)
    assert chain.levers() - of_functions <= told.keys()
    assert not of_functions & told.keys()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "consumers").glob("*/*.py")), ids=lambda it: it.name
)
def test_no_consumer_has_a_drain_of_its_own(path: Path) -> None:
    assert not re.search(r"^_DRAIN_SECONDS", path.read_text(encoding="utf-8"), re.MULTILINE)
