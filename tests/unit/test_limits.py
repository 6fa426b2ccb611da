"""A limit is set once: each door, and each text that names it, follows."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import fields
from types import ModuleType

import pytest

from gateway import bearer, render
from local.provider.settings import Settings as ProviderSettings
from local.services.settings import SettingsError, Stack
from local.stack_file import load
from pipeline import limits
from pipeline.images import formats, headers
from pipeline.limits import Limits
from pipeline.settings import Settings
from tests.stack import ROOT

OTHER = Limits(
    max_image_bytes=5_000_000,
    request_timeout_seconds=33,
    max_function_seconds=300,
    provider_wait_seconds=7,
    provider_wake_seconds=20,
    gateway_connections=77,
    gateway_large_bodies=7,
    wrong_keys_a_second=9,
    wrong_keys_at_once=79,
)


def _template() -> ModuleType:
    path = ROOT / "template" / "python3-pipeline" / "runtime" / "settings.py"
    found = importlib.util.spec_from_file_location("template_settings", path)
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # where a dataclass looks itself up
    found.loader.exec_module(module)
    return module


def _rendered(told: Limits) -> str:
    return render.render(
        "nginx.conf",
        {
            **dict.fromkeys(("GATEWAY_ADDRESS", "PROVIDER_ADDRESS", "GATEWAY_DIR"), "x"),
            "ASYNC_CALLS_ADDRESS": "x",
            **dict.fromkeys(("NJS_MODULE", "IDENTITY_JS", "OPENFAAS_ERRORS_JS", "VERSION"), "x"),
            **dict.fromkeys(("KEYS_DIR", "KEYS_USED_DIR", "RATES_JS", "KEY_LIMIT"), "x"),
            **dict.fromkeys(("TLS_LISTEN", "TLS_INCLUDE"), ""),
            **render.limit_values(told),
            **bearer.words(is_verified=False),
        },
    )


@pytest.mark.parametrize(
    "line",
    [
        "client_max_body_size 6000000;",
        "default 5000000;",
        '5000000 "an image may be 5,000,000";',
        "proxy_read_timeout 50s;",
        "proxy_read_timeout 355s;",  # of functions of any kind
        '"~^/function/" 355;',  # the number that is said when it is over
        "default 50;",  # how long a token is good
        "limit_conn senders 77;",
        "limit_conn senders_of_large_bodies 7;",
        "zone=senders_of_wrong_keys:4m rate=9r/s;",
        "limit_req zone=senders_of_wrong_keys burst=79 nodelay;",
        '"allowed":"9 a second, 79 at once, of one address"',
        '"allowed":"77 requests, 7 of them with bodies of more than 250 kB"',
    ],
)
def test_the_gateway_and_its_texts_follow(line: str) -> None:
    assert line in _rendered(OTHER)


def test_nothing_of_a_limit_stays_in_the_gateway() -> None:
    text = _rendered(OTHER)

    # What a connection may be idle, and how many are kept, is no limit of a request.
    text = text.replace("keepalive_timeout 75s", "").replace("keepalive 64;", "")
    for number in ("20000000", "20,000,000", "21000000", " 75", "1024 requests", " 64"):
        assert number not in text


def test_the_provider_follows() -> None:
    assert ProviderSettings.from_env(OTHER.environment()).max_body_bytes == 6_000_000
    assert ProviderSettings.from_env(OTHER.environment()).limits == OTHER
    assert ProviderSettings.from_env({}).max_body_bytes == limits.DEFAULTS.max_body_bytes


@pytest.mark.parametrize("name", ["image-upload", "image-classifier", "image-results"])
def test_the_functions_and_their_servers_follow(name: str) -> None:
    stack = load(ROOT / "stack.yml", OTHER.environment())
    (deployed,) = [each for each in stack.functions if each.name == name]

    server = _template().Settings.from_env(deployed.environment)

    assert server.exec_timeout_seconds == 33
    if name != "image-results":  # which takes no image
        assert Settings.from_env(deployed.environment).max_body_bytes == 6_000_000


def test_a_function_that_is_told_nothing_keeps_to_the_defaults() -> None:
    stack = load(ROOT / "stack.yml", {})
    for deployed in stack.functions:
        settings = Settings.from_env(deployed.environment)
        server = _template().Settings.from_env(deployed.environment)

        assert settings.max_image_bytes == limits.DEFAULTS.max_image_bytes
        assert server.exec_timeout_seconds == limits.DEFAULTS.request_timeout_seconds


def test_the_template_knows_the_same_defaults() -> None:
    server = _template().Settings.from_env({})

    assert server.max_body_bytes == limits.DEFAULTS.max_body_bytes
    assert server.exec_timeout_seconds == limits.DEFAULTS.request_timeout_seconds


def test_a_server_follows_its_handler_but_for_what_it_is_told() -> None:
    server = _template().Settings

    assert server.from_env({}, 6_000_000).max_body_bytes == 6_000_000
    assert server.from_env({"MAX_BODY_BYTES": "5"}, 6_000_000).max_body_bytes == 5


def test_the_consumer_follows_unless_it_is_told_otherwise() -> None:
    environment = OTHER.environment()

    assert Settings.from_env(environment).classifier_call_seconds == 50
    told = Settings.from_env({**environment, "INVOKE_TIMEOUT_SECONDS": "42.5"})
    assert told.classifier_call_seconds == 42.5


def test_a_local_stack_hands_all_of_them_on() -> None:
    assert Stack.from_env(OTHER.environment()).limits == OTHER


def test_wrong_limits_are_named_all_at_once() -> None:
    wrong = {"MAX_IMAGE_BYTES": "0", "GATEWAY_CONNECTIONS": "many"}

    with pytest.raises(SettingsError, match=r"MAX_IMAGE_BYTES='0'.*GATEWAY_CONNECTIONS='many'"):
        Stack.from_env(wrong)


def test_readme_names_the_largest_image() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert f"up to {limits.DEFAULTS.max_image_bytes // 1_000_000} MB" in text


@pytest.mark.parametrize("spec", fields(Limits), ids=lambda spec: spec.name)
def test_containers_and_pages_know_every_limit(spec: object) -> None:
    name = spec.name.upper()  # type: ignore[attr-defined]

    assert f"`{name}`" in (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert name in (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def test_a_format_is_told_everywhere_or_nowhere() -> None:
    schema = json.loads((ROOT / "docs" / "schemas" / "image-uploaded.schema.json").read_text())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for kind in formats.FORMATS:
        assert kind in headers.READERS
        assert kind.shown in formats.ALLOWED
        assert kind.shown in readme

    told = schema["properties"]["data"]["properties"]["mimeType"]["enum"]
    assert sorted(told) == sorted(kind.mime_type for kind in formats.FORMATS)
    assert set(headers.READERS) == set(formats.FORMATS)
