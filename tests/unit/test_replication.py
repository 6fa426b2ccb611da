"""Where copies of partitions go when there are to be more of them, or fewer."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.kafka.replication import Move, placed, sorted_out


def _found(partitions: int, *replicas: int) -> dict[tuple[str, int], list[int]]:
    return {("image-uploads", number): list(replicas) for number in range(partitions)}


def test_who_leads_goes_on_and_new_copies_are_shared_out() -> None:
    moves = placed(_found(6, 1), [1, 2, 3], factor=2)

    assert {replicas[0] for replicas in moves.values()} == {1}
    assert Counter(replicas[1] for replicas in moves.values()) == {2: 3, 3: 3}


def test_no_broker_keeps_two_copies_of_one_partition() -> None:
    moves = placed(_found(4, 2), [1, 2, 3], factor=3)

    assert all(sorted(replicas) == [1, 2, 3] for replicas in moves.values())


def test_fewer_copies_keep_the_first() -> None:
    assert placed(_found(1, 3, 1, 2), [1, 2, 3], factor=1) == {("image-uploads", 0): [3]}


def test_what_is_as_it_should_be_is_left() -> None:
    assert placed(_found(3, 1, 2), [1, 2, 3], factor=2) == {}


_PLACE = ("image-uploads", 0)


@pytest.mark.parametrize(
    ("move", "factor", "kept"),
    [
        (Move([1, 2], adding=[2], removing=[]), 1, [1]),  # more on their way, and fewer are set
        (Move([1, 2], adding=[], removing=[2]), 2, [1, 2]),  # the other way round
        (Move([1, 2], adding=[2], removing=[2]), 1, [1]),  # it never ends
        (Move([1, 2], adding=[2], removing=[2]), 2, [1]),
        (Move([1, 2, 3], adding=[3], removing=[1]), 1, [1, 2]),
    ],
)
def test_a_move_to_another_number_is_called_off(move: Move, factor: int, kept: list[int]) -> None:
    assert sorted_out({_PLACE: move.replicas}, {_PLACE: move}, factor) == (
        [_PLACE],
        {_PLACE: kept},
    )


@pytest.mark.parametrize(
    "move",
    [
        Move([1, 2], adding=[2], removing=[]),  # ours, from another start
        Move([1, 2, 3], adding=[3], removing=[1]),  # from broker to broker
    ],
)
def test_a_move_to_the_right_number_goes_on(move: Move) -> None:
    assert sorted_out({_PLACE: move.replicas}, {_PLACE: move}, factor=2) == ([], {})


def test_what_is_not_ours_is_left_alone() -> None:
    move = Move([1, 2], adding=[2], removing=[])

    assert sorted_out(_found(1, 1), {("theirs", 0): move}, factor=1) == ([], _found(1, 1))
