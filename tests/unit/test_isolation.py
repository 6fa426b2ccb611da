"""Which numbers a stack's users have, and which secrets each of them reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.machine import files
from local.services.isolation import accounts, deciding, numbers, record
from local.services.isolation.record import Isolation
from local.services.progress import StepFailed
from local.services.settings import ROOT, SettingsError, Stack
from pipeline.access.accounts import SETUP

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())[
    "services"
]
# In containers these read them of the same files; here root has read them before.
OF_ROOT_HERE = {"gateway"}


@pytest.fixture
def at_work(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Whose processes run; nobody's of the range at first."""
    users: set[int] = set()

    def uids() -> Iterator[int]:
        return iter(users)

    monkeypatch.setattr(numbers, "_uids", uids)
    return users


def made(tmp_path: Path, name: str) -> Stack:
    stack = Stack.from_env({"STATE_DIR": str(tmp_path / name), "CACHE_DIR": str(tmp_path / "c")})
    stack.state_dir.mkdir(exist_ok=True)
    return stack


def test_a_stack_has_the_same_block_at_every_start(tmp_path: Path, at_work: set[int]) -> None:
    stack = made(tmp_path, "one")

    first = numbers.claim(stack, None)

    assert first in range(numbers.FIRST, numbers.LAST)
    assert (first - numbers.FIRST) % numbers.BLOCK == 0
    assert numbers.claim(stack, first) == first
    assert numbers.claim(stack, None) == first


def test_stacks_that_know_of_each_other_never_share_one(tmp_path: Path, at_work: set[int]) -> None:
    claimed = [numbers.claim(made(tmp_path, str(n)), None) for n in range(100)]

    assert len(set(claimed)) == 100


def test_a_block_whose_users_work_is_left_to_them(tmp_path: Path, at_work: set[int]) -> None:
    stack = made(tmp_path, "one")
    first = numbers.claim(stack, None)
    at_work.add(first + 3)

    assert numbers.claim(stack, first) != first


def test_when_all_are_given_away_the_one_that_was_used_least_lately_is_taken(
    tmp_path: Path, at_work: set[int]
) -> None:
    count = (numbers.LAST + 1 - numbers.FIRST) // numbers.BLOCK
    claimed = [numbers.claim(made(tmp_path, str(n)), None) for n in range(count)]
    at_work.add(claimed[0])

    taken = numbers.claim(made(tmp_path, "one more"), None)

    assert taken in claimed[1:]
    assert numbers.claim(made(tmp_path, str(claimed.index(taken))), taken) != taken


def test_a_block_of_a_stack_that_was_removed_is_free(tmp_path: Path, at_work: set[int]) -> None:
    count = (numbers.LAST + 1 - numbers.FIRST) // numbers.BLOCK
    claimed = [numbers.claim(made(tmp_path, str(n)), None) for n in range(count)]
    (tmp_path / "7").rmdir()

    assert numbers.claim(made(tmp_path, "one more"), None) == claimed[7]


def test_it_is_said_when_every_block_is_a_running_stacks(tmp_path: Path, at_work: set[int]) -> None:
    at_work.update(range(numbers.FIRST, numbers.LAST, numbers.BLOCK))

    with pytest.raises(StepFailed, match=r"132 blocks .* ISOLATE=0"):
        numbers.claim(made(tmp_path, "one"), None)


def test_no_two_users_are_the_same_and_functions_have_numbers_of_their_own() -> None:
    isolation = Isolation.of(numbers.FIRST)
    own = [user.number for name in accounts.USERS if (user := isolation.user(name))]
    first, last = map(int, isolation.functions.split("-"))

    assert len(set(own)) == len(accounts.USERS)
    assert max(own) < first < last < numbers.FIRST + numbers.BLOCK


@pytest.mark.parametrize("user", accounts.USERS)
def test_a_user_reads_the_secrets_that_its_containers_have(tmp_path: Path, user: str) -> None:
    stack = made(tmp_path, "one")
    given = {
        secret
        for name, service in SERVICES.items()
        if accounts.user_of(name) == user and name not in OF_ROOT_HERE
        for secret in service.get("secrets", ())
    }
    groups = (user, *accounts.groups(user))

    read = {secret for each in groups for secret in accounts.belongings(stack, each).secrets}
    read |= {path.name for path in accounts.belongings(stack, user).reads if path.is_absolute()}

    # Set-up is in the groups of accounts whose logins it makes known.
    assert given <= read
    if user not in (SETUP, accounts.NGINX):
        assert read == given


def test_no_secret_is_read_by_two_users(tmp_path: Path) -> None:
    stack = made(tmp_path, "one")
    read = [name for user in accounts.USERS for name in accounts.belongings(stack, user).secrets]

    assert sorted(read) == sorted(set(read))


def test_every_container_that_stays_is_a_user_here_or_root_and_said_to_be() -> None:
    # The gateway is Nginx, others are commands, or there in containers alone.
    apart = {"gateway", "rollout", "operator", "volumes", "kafka-ui"}
    ours = SERVICES.keys() - apart

    assert {name for name in ours if accounts.user_of(name) is None} <= set(accounts.OF_ROOT)


def test_without_root_nothing_is_tried_and_it_is_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    stack = made(tmp_path, "one")

    for _ in range(2):
        assert deciding.prepare(stack).first is None

    told = record.recorded(stack)
    assert told is not None
    assert "only root" in told.absent
    assert capsys.readouterr().out.count("only root") == 1


def test_a_record_that_is_none_is_as_of_a_stack_that_has_none(tmp_path: Path) -> None:
    stack = made(tmp_path, "one")

    for text in ("", "{}?", '{"unknown": 1}'):
        files.write(record.file(stack), text)
        assert record.recorded(stack) is None


def test_it_can_be_switched_off_and_nothing_else_can_be_said(tmp_path: Path) -> None:
    assert not Stack.from_env({"ISOLATE": "0"}).isolate
    with pytest.raises(SettingsError, match="ISOLATE='no'"):
        Stack.from_env({"ISOLATE": "no"})
