"""The arithmetic of measurements, the images they send, and the page they write."""

from __future__ import annotations

import json
import os
from functools import partial
from io import BytesIO

import pytest
from PIL import Image

from bench import rounds
from bench.checks import BenchFailed, check_labels
from bench.comparison import engines
from bench.load.memory_watch import Look, growth
from bench.load.photos import Photo, with_nonce
from bench.measuring import stubs
from bench.reporting import figures, report
from bench.stacks.processes import Spent, cpu_seconds
from local.services.settings import ROOT
from tests.pictures import jpeg

TICKS = os.sysconf("SC_CLK_TCK")
CAT = [{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.1}]


@pytest.mark.parametrize(
    ("percent", "expected"), [(1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)]
)
def test_a_percentile_is_the_nearest_rank(percent: float, expected: int) -> None:
    assert figures.percentile(range(100, 0, -1), percent) == expected


def test_the_percentile_of_one_value_is_that_value() -> None:
    assert figures.percentile([7.0], 50) == figures.percentile([7.0], 99) == 7.0


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_what_has_no_percentile_is_refused(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        figures.percentile(values, percent)


def test_durations_are_summed_up_in_milliseconds() -> None:
    found = figures.milliseconds([0.001, 0.002, 0.003, 0.5])

    assert found == {"count": 4, "p50": 2.0, "p95": 500.0, "p99": 500.0, "max": 500.0}


def test_the_middle_rate_ignores_a_slow_start_and_end() -> None:
    instants = [0.0, *(50 + number / 10 for number in range(100)), 200.0]

    assert figures.middle_rate(instants) == pytest.approx(10)


def test_all_at_one_instant_has_no_rate() -> None:
    with pytest.raises(ValueError, match="no rate"):
        figures.middle_rate([1.0] * 20)


def test_ratios_are_those_of_the_same_round() -> None:
    assert figures.ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]


def test_a_round_without_a_partner_has_no_ratio() -> None:
    with pytest.raises(ValueError, match="shorter"):
        figures.ratios([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="measured 0"):
        figures.ratios([1.0], [0.0])


def test_the_rate_of_a_tenth_is_that_of_its_results_alone() -> None:
    instants = [*(number / 10 for number in range(90)), *(9 + number for number in range(10))]

    assert figures.rate_of_tenth(instants, 0) == pytest.approx(10)
    assert figures.rate_of_tenth(instants, 9) == pytest.approx(1)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([1, 1, 2, 4, 4], 0), ([1, 4, 3], 1), ([1, 4, 4, 2, 2, 3, 1], 3), ([1], 0), ([], 0)],
)
def test_reversals_are_changes_of_direction(counts: list[int], expected: int) -> None:
    assert figures.reversals(counts) == expected


def test_every_round_has_every_arm_in_its_own_order() -> None:
    order: list[str] = []
    arms = {name: partial(order.append, name) for name in "abcd"}

    found = rounds.shuffled(arms, 5)

    turns = ["".join(order[start : start + 4]) for start in range(0, 20, 4)]
    assert {"".join(sorted(turn)) for turn in turns} == {"abcd"}
    assert len(set(turns)) > 1
    assert {len(each) for each in found.values()} == {5}


def test_memory_grows_from_where_it_had_settled() -> None:
    looks = [
        Look(0, 0, {"minio": 50.0, "redis": 5.0}),
        Look(1, 1200, {"minio": 100.0, "redis": 10.0}),
        Look(2, 2000, {"minio": 121.0, "redis": 10.0}),
        Look(3, 3000, {"minio": 110.0, "redis": 12.0}),
    ]

    grown = growth(looks, 1000)

    assert grown == pytest.approx({"minio": 1.21, "redis": 1.2, "all": 131 / 110})


def test_agreement_is_the_share_of_equal_labels() -> None:
    assert engines.agreement(["cat", "dog"], ["cat", "cow"]) == 50.0


def test_a_stub_says_what_is_expected_of_it() -> None:
    stub = (ROOT / "bench" / "measuring" / "stub_handler.py").read_text(encoding="utf-8")

    assert f"LABELS = {json.dumps(stubs.LABELS)}" in stub


def test_cpu_of_a_child_that_started_meanwhile_counts_from_its_start() -> None:
    before = {"nginx": {(1, 10): 5 * TICKS}}
    after = {"nginx": {(1, 10): 6 * TICKS, (2, 90): 3 * TICKS}, "new": {(3, 95): TICKS}}

    assert cpu_seconds(before, after) == {"nginx": 4.0, "new": 1.0}


@pytest.mark.parametrize("after", [{}, {"minio": {}}, {"minio": {(7, 99): 50}}])
def test_a_process_that_ended_voids_the_measurement(
    after: dict[str, dict[tuple[int, int], int]],
) -> None:
    with pytest.raises(BenchFailed, match="minio ended"):
        cpu_seconds({"minio": {(7, 11): 40}}, after)


def test_cpu_is_told_an_image_by_process_and_in_all() -> None:
    spent = Spent({"kafka": 0.5, "minio": 1.0}, {"kafka": 200.0, "minio": 90.0})

    figures = spent.per_image(500)

    assert figures["cpuMillisecondsPerImage"] == {"kafka": 1.0, "minio": 2.0}
    assert figures["cpuMillisecondsPerImageTotal"] == 3.0


def test_a_nonce_makes_another_file_of_the_same_picture() -> None:
    photo = jpeg()

    one, other = with_nonce(photo, b"1"), with_nonce(photo, b"2")

    assert len({photo, one, other}) == 3
    with Image.open(BytesIO(photo)) as plain, Image.open(BytesIO(one)) as numbered:
        assert numbered.tobytes() == plain.tobytes()
        assert numbered.info["comment"] == b"1"


def test_numbered_photos_differ_by_series_and_number() -> None:
    photo = Photo(jpeg(), "a test", None)

    assert len({photo.numbered(series, number) for series in "ab" for number in range(5)}) == 10


def test_right_answers_are_counted() -> None:
    rounded = [{"label": "cat", "score": 0.9004}, {"label": "dog", "score": 0.0996}]

    assert check_labels(CAT, [CAT, rounded]) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        CAT[:1],
        CAT[::-1],
        [{"label": "cat", "score": 0.8}, {"label": "dog", "score": 0.2}],
    ],
)
def test_one_wrong_answer_voids_the_measurement(wrong: list[dict[str, object]]) -> None:
    with pytest.raises(BenchFailed, match="1 of 2 answers are wrong"):
        check_labels(CAT, [CAT, wrong])


def test_a_table_groups_thousands_and_shows_what_is_missing() -> None:
    assert report.table(("a", "b"), [("x", 1234.5), ("y", None)]) == (
        "| a | b |\n| --- | --- |\n| x | 1,234.5 |\n| y | – |\n"
    )
