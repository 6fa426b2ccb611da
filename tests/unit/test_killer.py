"""Whose turn it is to be killed."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.chaos.faults import Killer
from tests.stack import until

TARGETS = ("kafka", "minio", "redis")


class Alive:
    """A stack in which only these parts can be killed."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)

    def kill(self, name: str, chooser: random.Random | None = None) -> int | None:
        return 1 if name in self.names else None


def killed(alive: Alive, seed: int, times: int) -> list[str]:
    killer = Killer(alive, seed, targets=TARGETS)
    for _ in range(times):
        killer.kill_one()
    return [each.name for each in killer.kills]


def test_every_target_has_its_turn_before_any_has_a_second_one() -> None:
    names = killed(Alive(*TARGETS), seed=1, times=6)

    assert set(names[:3]) == set(names[3:]) == set(TARGETS)


def test_a_seed_chooses_the_same_order_again_and_another_seed_another() -> None:
    orders = {seed: killed(Alive(*TARGETS), seed, 30) for seed in (1, 2)}

    assert killed(Alive(*TARGETS), 1, 30) == orders[1] != orders[2]


def test_what_is_not_alive_keeps_its_turn_and_holds_up_no_other() -> None:
    alive = Alive("kafka", "redis")
    killer = Killer(alive, seed=1, targets=TARGETS)
    for _ in range(4):
        killer.kill_one()
    before = Counter(each.name for each in killer.kills)

    alive.names.add("minio")
    killer.kill_one()

    assert before.total() == 4
    assert before["minio"] == 0
    assert killer.kills[-1].name == "minio"


def test_where_nothing_is_alive_nothing_is_killed() -> None:
    assert killed(Alive(), seed=1, times=2) == []


def test_what_ends_the_killer_ends_the_storm() -> None:
    class Broken(Alive):
        def kill(self, name: str, chooser: random.Random | None = None) -> int | None:
            tried.append(name)
            raise ValueError("docker does not answer")

    tried: list[str] = []
    killer = Killer(Broken(), seed=1, every_seconds=0.001)

    with pytest.raises(ValueError, match="docker does not answer"), killer.killing():
        until(lambda: tried or None)
