"""How far a partition is finished, and what its commits say of crashes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.consuming.progress import Assignment, Mark, Progress

PLACE = ("image-uploads", 0)


def restarted(progress: Progress, window: int = 0) -> Progress:
    """What a consumer makes of the partition after the one before it died."""
    mark = progress.to_commit()
    assert mark is not None
    return Progress(Mark.from_committed(mark.offset, mark.metadata), window)


@given(st.permutations(range(10)))
def test_only_the_finished_prefix_is_committed(order: list[int]) -> None:
    progress = Progress(Mark(100))
    for offset in range(100, 110):
        progress.read(offset)

    for done in range(1, 11):
        progress.finish(100 + order[done - 1])

        unfinished = [offset for offset in range(10) if offset not in order[:done]]
        prefix = min(unfinished, default=10)
        assert progress.to_commit() == (Mark(100 + prefix) if prefix else None)


def test_a_position_is_committed_once_and_again_when_refused() -> None:
    progress = Progress()
    progress.read(7)
    progress.finish(7)

    mark = progress.to_commit()
    progress.note_committed(mark)
    assert mark == Mark(8)
    assert progress.to_commit() is None
    progress.note_committed(None)
    assert progress.to_commit() == mark


def test_what_a_consumer_before_may_have_begun_lies_in_its_window() -> None:
    progress = Progress(window=5)

    assert [progress.read(offset) for offset in (40, 41, 44, 45)] == [True, True, True, False]


def test_nobody_before_has_begun_what_came_after_the_assignment() -> None:
    progress = Progress(window=5, end=42)

    assert [progress.read(offset) for offset in (40, 41, 42, 45)] == [True, True, False, False]


def test_a_kill_in_the_middle_is_counted() -> None:
    progress = Progress(Mark(7))
    progress.read(7)

    assert progress.begin(7, alone=False)
    again = restarted(progress)
    again.read(7)
    again.begin(7, alone=True)

    assert again.died(7) == Mark(7, begun=1)
    assert restarted(again).died(7) == Mark(7, begun=2, alone=True)


def test_a_kill_before_work_began_is_not_counted() -> None:
    progress = Progress(Mark(6))
    progress.read(7)

    assert restarted(progress).died(7) == Mark(7)


def test_only_the_oldest_open_offset_is_blamed() -> None:
    progress = Progress(Mark(7))
    for offset in (7, 8):
        progress.read(offset)
        progress.begin(offset, alone=False)

    progress.finish(7)

    assert restarted(progress).died(8) == Mark(8, begun=1)
    assert restarted(progress).died(9) == Mark(9)


def test_what_is_handed_over_counts_no_crash_and_forgets_none() -> None:
    progress = Progress(Mark(7, begun=1))
    progress.read(7)
    progress.begin(7, alone=False)

    progress.give_up()

    assert progress.to_commit() is None
    assert progress.died(7).begun == 1


def test_after_two_crashes_at_one_offset_care_is_taken_until_it_is_passed() -> None:
    progress = Progress(Mark(7, begun=2), window=2)
    careful = []
    for offset in range(7, 12):
        progress.read(offset)
    for offset in range(7, 12):
        careful.append(progress.needs_care)
        progress.finish(offset)

    assert careful == [True, True, True, False, False]
    assert not Progress(Mark(7, begun=1), window=2).needs_care


@pytest.mark.parametrize(
    "metadata",
    [None, "", "{", "[]", '{"begun": "x"}', '{"begun": null}', "[" * 4000, '{"begun": 1e999}',
     '{"begun": 1%s}' % ("0" * 4000), '{"begun": NaN}', '{"begun": -7}', "\x00", '"\\ud800"'],
)  # fmt: skip
def test_metadata_of_another_hand_count_as_none(metadata: str | None) -> None:
    assert Mark.from_committed(7, metadata) == Mark(7)


def test_an_assignment_counts_what_is_open_in_all_partitions() -> None:
    assignment = Assignment(window=0)
    assignment.add({("t", 0): Mark(3), ("t", 1): Mark(3)}, {})
    for place in [("t", 0), ("t", 1)]:
        progress = assignment.get(place)
        assert progress is not None
        progress.read(3)

    first = assignment.get(("t", 0))
    assert first is not None
    first.read(4)

    assert assignment.open_offsets() == 3
    assert assignment.places_with(2) == {("t", 0)}
    assignment.remove([("t", 1)])
    assert assignment.open_offsets() == 2
    assert assignment.get(("t", 1)) is None


def test_no_count_of_another_hand_is_beyond_reason() -> None:
    assert Mark.from_committed(7, '{"begun": 999999999999}').begun == 1_000_000
