"""Poison of every kind in a running stack's topics: each is dead-lettered, and nobody waits."""

from __future__ import annotations

import json

import pytest

from tests.imagectl import imagectl
from tests.security import poisoned
from tests.security.poison import KINDS
from tests.security.poisoned import Outcome
from tests.stack import Stack, until

pytestmark = pytest.mark.usefixtures("quiet")

_SEED = 17


@pytest.fixture(scope="module")
def outcome(stack: Stack, quiet: None) -> Outcome:
    """Every kind once, half of them in each topic, and the consumer killed once among them."""
    return poisoned.run(stack, _SEED, (len(KINDS) + 1) // 2, kills=1)


def test_each_is_dead_lettered_once(outcome: Outcome) -> None:
    assert {each.kind for each in outcome.sent.values()} == set(KINDS)
    assert outcome.not_once == {}


def test_good_pictures_among_them_complete(outcome: Outcome) -> None:
    assert {status for status, _ in outcome.innocents} == {"completed"}


def test_the_consumer_stays_healthy(stack: Stack, outcome: Outcome) -> None:
    assert until(stack.is_sound, 60)


def test_nothing_is_missing_and_nothing_is_sent_again(stack: Stack, outcome: Outcome) -> None:
    told = imagectl(stack, "reconcile", "--json", "--grace", "0")

    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["missing"] == 0
    assert json.loads(told.stdout)["reEmitted"] == 0


def test_the_letters_are_listed_with_their_reasons(stack: Stack, outcome: Outcome) -> None:
    told = imagectl(stack, "dead-letters", "list", "--json", "--reason", "malformed-event")

    rows = [(row["originTopic"], row["originPartition"], row["originOffset"])
            for row in json.loads(told.stdout)]  # fmt: skip
    unreadable = {
        (origin.topic, origin.partition, origin.offset)
        for origin, each in outcome.sent.items()
        if not each.is_event
    }
    assert unreadable <= set(rows)
