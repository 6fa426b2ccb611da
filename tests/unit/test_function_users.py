"""Which function is which user: the same as long as it is there, and no two the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.machine.users import User
from local.provider.deployments.users import Users
from local.provider.refusal import Refused
from local.provider.settings import Settings

NUMBERS = range(500, 503)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


def test_without_numbers_a_function_is_nobody_of_its_own(file: Path) -> None:
    assert Users(range(0), file).of("one") is None
    assert not file.exists()


def test_a_function_keeps_its_user_also_for_the_next_provider(file: Path) -> None:
    users = Users(NUMBERS, file)
    found = [users.of(name) for name in ("one", "two", "one")]

    assert found == [User(500), User(501), User(500)]
    assert Users(NUMBERS, file).of("two") == User(501)
    assert Users(range(800, 803), file).of("two") == User(801)


def test_the_user_of_a_function_that_is_gone_is_the_last_to_be_given_again(file: Path) -> None:
    users = Users(NUMBERS, file)
    users.of("one")
    users.give_back("one")

    assert [users.of(name) for name in ("two", "three", "four")] == [
        User(501), User(502), User(500),
    ]  # fmt: skip


def test_more_functions_than_users_are_refused(file: Path) -> None:
    users = Users(NUMBERS, file)
    for name in ("one", "two", "three"):
        users.of(name)

    with pytest.raises(Refused, match="3 functions have a user each"):
        users.of("four")
    users.keep(["one", "two"])
    assert users.of("four") == User(502)


@pytest.mark.parametrize("text", ["7", "a-b", "9-7", "0-5", "5-", "1-99999999999"])
def test_what_is_no_range_of_numbers_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"FUNCTION_USERS='{text}'"):
        Settings.from_env({"FUNCTION_USERS": text})
