"""A consumer that the group has forgotten ends, so that another begins afresh."""

from __future__ import annotations

import threading

import pytest

from pipeline.consuming.expulsion import Expulsion
from pipeline.consuming.membership import CutOff, Membership
from pipeline.errors import Unavailable


class Group:
    """A membership, its clock, and a Kafka that answers or does not."""

    def __init__(self) -> None:
        self.now = 100.0
        self.answers = True
        self.asked = 0
        self.expelled: list[str] = []
        self.lets_go = True
        self.membership = Membership(self._ask, self._expel, lambda: self.now)
        self.membership.join("rdkafka-1")

    def pass_(self, seconds: int) -> None:
        """Let seconds pass, with ten rounds of the consumer in each."""
        for _ in range(seconds * 10):
            self.now += 0.1
            self.membership.check()
            # Expelling takes less than a round.
            for each in threading.enumerate():
                if isinstance(each, Expulsion):
                    each.join()

    def _ask(self) -> None:
        self.asked += 1
        if not self.answers:
            raise Unavailable("Kafka is down")

    def _expel(self, member_id: str) -> None:
        self.expelled.append(member_id)
        if not self.lets_go:
            raise Unavailable("Kafka is loading the group")


def test_a_consumer_that_does_not_find_its_group_again_is_cut_off() -> None:
    group = Group()
    group.membership.lose("")

    with pytest.raises(CutOff, match="not joined again in"):
        group.pass_(30)

    assert group.membership.is_cut_off


def test_while_kafka_is_away_it_waits() -> None:
    group = Group()
    group.answers = False
    group.membership.lose("")
    group.pass_(600)

    group.answers = True
    group.pass_(10)

    assert not group.membership.is_cut_off


def test_one_that_joins_again_stays() -> None:
    group = Group()
    group.membership.lose("")
    group.pass_(10)

    group.membership.join("rdkafka-2")
    group.pass_(600)

    assert not group.membership.is_cut_off


def test_one_that_never_lost_anything_asks_nobody_though_it_has_no_partition() -> None:
    group = Group()

    group.pass_(600)

    assert group.asked == 0


def test_a_consumer_that_stood_still_is_given_its_time() -> None:
    group = Group()
    group.membership.lose("")
    group.pass_(2)
    group.now += 100
    group.pass_(10)

    assert not group.membership.is_cut_off

    with pytest.raises(CutOff):
        group.pass_(20)


def test_who_it_was_is_expelled_as_soon_as_kafka_answers() -> None:
    group = Group()
    group.answers = False
    group.membership.lose("")
    group.pass_(60)
    while_away = list(group.expelled)

    group.answers = True
    group.pass_(10)

    assert while_away == []
    assert group.expelled == ["rdkafka-1"]


def test_a_kafka_that_does_not_let_go_is_asked_again() -> None:
    group = Group()
    group.lets_go = False
    group.membership.lose(None)
    group.pass_(3)

    group.lets_go = True
    group.pass_(10)

    assert len(group.expelled) > 2
    assert set(group.expelled) == {"rdkafka-1"}


def test_one_that_keeps_its_name_is_not_expelled() -> None:
    group = Group()
    group.membership.lose("rdkafka-1")

    group.pass_(10)

    assert group.expelled == []


def test_one_that_has_joined_again_expels_nobody_more() -> None:
    group = Group()
    group.lets_go = False
    group.membership.lose("")
    group.pass_(3)
    tried = len(group.expelled)

    group.membership.join("rdkafka-2")
    group.pass_(60)

    assert len(group.expelled) == tried > 0


def test_each_loss_is_of_the_last_name() -> None:
    group = Group()
    group.membership.lose("")
    group.pass_(3)
    group.membership.join("rdkafka-2")

    group.membership.lose("")
    group.pass_(3)

    assert group.expelled == ["rdkafka-1", "rdkafka-2"]
