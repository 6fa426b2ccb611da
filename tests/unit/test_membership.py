"""A consumer that the group has forgotten ends, so that another begins afresh."""

from __future__ import annotations

import pytest

from pipeline.consuming.membership import CutOff, Membership
from pipeline.errors import Unavailable


class Group:
    """A membership, its clock, and a Kafka that answers or does not."""

    def __init__(self) -> None:
        self.now = 100.0
        self.answers = True
        self.asked = 0
        self.membership = Membership(self._ask, lambda: self.now)

    def pass_(self, seconds: int) -> None:
        """Let seconds pass, with ten rounds of the consumer in each."""
        for _ in range(seconds * 10):
            self.now += 0.1
            self.membership.check()

    def _ask(self) -> None:
        self.asked += 1
        if not self.answers:
            raise Unavailable("Kafka is down")


def test_a_consumer_that_does_not_find_its_group_again_is_cut_off() -> None:
    group = Group()
    group.membership.lose()

    with pytest.raises(CutOff, match="not joined again in"):
        group.pass_(20)

    assert group.membership.is_cut_off


def test_while_kafka_is_away_it_waits() -> None:
    group = Group()
    group.answers = False
    group.membership.lose()
    group.pass_(600)

    group.answers = True
    group.pass_(10)

    assert not group.membership.is_cut_off


def test_one_that_joins_again_stays() -> None:
    group = Group()
    group.membership.lose()
    group.pass_(10)

    group.membership.join("me")
    group.pass_(600)

    assert not group.membership.is_cut_off


def test_one_that_never_lost_anything_asks_nobody_though_it_has_no_partition() -> None:
    group = Group()

    group.pass_(600)

    assert group.asked == 0


def test_a_consumer_that_stood_still_is_given_its_time() -> None:
    group = Group()
    group.membership.lose()
    group.pass_(2)
    group.now += 100
    group.pass_(10)

    assert not group.membership.is_cut_off

    with pytest.raises(CutOff):
        group.pass_(10)
