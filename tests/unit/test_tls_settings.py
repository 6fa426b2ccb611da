"""Which TLS a stack speaks: what is told, what is remembered, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from local.services import credentials, tls_settings
from local.services.settings import SettingsError, Stack
from local.services.tls_settings import Tls
from tests.stack import ROOT


def stack(folder: Path, **told: str) -> Stack:
    return Stack.from_env({"STATE_DIR": str(folder), **told})


def test_without_a_word_it_is_http_on_loopback(tmp_path: Path) -> None:
    assert stack(tmp_path).tls == Tls()
    assert stack(tmp_path).gateway_url == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ({}, "https://127.0.0.1:8080"),
        ({"GATEWAY_HOST": "0.0.0.0"}, "https://127.0.0.1:8080"),
        ({"GATEWAY_HOST": "::"}, "https://[::1]:8080"),
        ({"GATEWAY_HOST": "192.0.2.7"}, "https://192.0.2.7:8080"),
        ({"TLS_NAMES": "a.example"}, "https://127.0.0.1:8080"),
        (
            {"TLS_NAMES": "a.example,b.example", "TLS_CERTIFICATE": "/a", "TLS_KEY": "/b"},
            "https://a.example:8080",
        ),
    ],
)
def test_it_is_called_what_its_certificate_is_for(
    tmp_path: Path, told: dict[str, str], url: str
) -> None:
    assert stack(tmp_path, TLS="1", **told).gateway_url == url


def test_a_start_is_remembered_until_it_is_told_otherwise(tmp_path: Path) -> None:
    first = stack(tmp_path, TLS="1", TLS_NAMES="a.example, B.example", GATEWAY_HOST="0.0.0.0").tls
    tls_settings.remember(first, tmp_path)

    assert first.names == ("a.example", "b.example")
    assert stack(tmp_path).tls == first
    assert stack(tmp_path, TLS_NAMES="c.example").tls.names == ("c.example",)
    assert stack(tmp_path, TLS="0").tls == Tls()
    tls_settings.remember(Tls(), tmp_path)
    assert stack(tmp_path).tls == Tls()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"TLS": "yes"}, "TLS='yes': expected 1, or 0"),
        ({"TLS": "1", "TLS_CERTIFICATE": "a.pem"}, "expected both, or neither"),
        ({"TLS": "1", "TLS_CERTIFICATE": "a", "TLS_KEY": "b"}, "TLS_NAMES is empty"),
        ({"TLS_CERTIFICATE": "a", "TLS_KEY": "b", "TLS_NAMES": "c"}, "expected TLS=1 with them"),
        ({"GATEWAY_HOST": "0.0.0.0"}, "expected TLS=1 with it"),
        ({"GATEWAY_HOST": "everywhere", "TLS": "1"}, "expected an address of this machine"),
        ({"TLS": "1", "TLS_NAMES": "a b"}, "'a b': expected a host's name"),
        ({"TLS": "1", "TLS_NAMES": "a.example;include /etc/x"}, "expected a host's name"),
        ({"TLS": "1", "TLS_NAMES": ",".join(f"a{it}" for it in range(51))}, "50 are allowed"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(
    tmp_path: Path, told: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=r"TLS|GATEWAY_HOST") as refused:
        stack(tmp_path, **told)

    assert said in str(refused.value)


def test_containers_get_a_certificate_and_not_the_key_of_its_authority(tmp_path: Path) -> None:
    credentials.make_certificate_for_containers(tmp_path, Tls(is_on=True))
    made = {path.name: path.read_text() for path in (tmp_path / "tls").iterdir()}
    credentials.make_certificate_for_containers(tmp_path, Tls(is_on=True))

    assert made.keys() == {"certificate.pem", "key.pem", "ca.pem"}
    assert made == {path.name: path.read_text() for path in (tmp_path / "tls").iterdir()}
    assert (tmp_path / "authority").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "authority" / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "authority" / "ca.key").read_text() not in made.values()


def test_containers_mount_it_read_only_and_publish_on_loopback() -> None:
    told = yaml.safe_load((ROOT / "docker-compose.tls.yml").read_text())["services"]

    assert all(each.endswith(":/tls:ro") for part in told.values() for each in part["volumes"])
    assert all(each.startswith("127.0.0.1:") for each in told["gateway"]["ports"])
