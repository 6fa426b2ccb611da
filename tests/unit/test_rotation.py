"""How a key for job ids takes another's place: known everywhere before it signs."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagectl.rotation.delivery import Delivery
from imagectl.rotation.signing_keys import MOST_KEYS, SIGNING_KEY, SigningKeys
from pipeline.errors import SettingsError
from pipeline.settings import Settings


class NoFunctions:
    """Stands in for OpenFaaS, which is told what functions have."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    def update_secret(self, name: str, value: str) -> None:
        self.told[name] = value


@pytest.fixture
def openfaas() -> NoFunctions:
    return NoFunctions()


@pytest.fixture
def delivery(tmp_path: Path, openfaas: NoFunctions) -> Delivery:
    for name, text in {
        "basic-auth-user": "admin",
        "basic-auth-password": "x",
        SIGNING_KEY: "first",
    }.items():
        (tmp_path / name).write_text(text)
    made = Delivery(Settings(secrets_dir=str(tmp_path)))
    made._openfaas = openfaas  # type: ignore[assignment]
    return made


def test_a_new_key_is_known_before_it_signs(delivery: Delivery, openfaas: NoFunctions) -> None:
    keys = SigningKeys(delivery)

    keys.give()
    signing, new = delivery.read(SIGNING_KEY).split()
    keys.sign_with_new()

    assert signing == "first"
    assert delivery.read(SIGNING_KEY).split() == [new, "first"]
    assert openfaas.told == {SIGNING_KEY: f"{new}\nfirst"}


def test_so_many_keys_are_kept_and_no_more(delivery: Delivery) -> None:
    keys = SigningKeys(delivery)

    for _ in range(MOST_KEYS + 2):
        keys.give()
        keys.sign_with_new()

    kept = delivery.read(SIGNING_KEY).split()
    assert len(kept) == len(set(kept)) == MOST_KEYS
    assert "first" not in kept


def test_the_file_that_a_container_has_is_written_into(delivery: Delivery, tmp_path: Path) -> None:
    file = tmp_path / SIGNING_KEY
    before = file.stat()

    delivery.give(SIGNING_KEY, "other", to_functions=False)

    assert (file.read_text(), file.stat().st_ino) == ("other", before.st_ino)
    assert file.stat().st_mode == before.st_mode


def test_a_secret_that_there_is_not_is_named(delivery: Delivery, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=str(tmp_path / "none")):
        delivery.read("none")
    with pytest.raises(SettingsError, match=str(tmp_path / "none")):
        delivery.give("none", "x", to_functions=False)
