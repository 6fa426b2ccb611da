"""Where copies of partitions go when there are to be more of them, or fewer."""

from __future__ import annotations

from collections import Counter

from pipeline.kafka.replication import placed


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
