"""What the storm's client writes down, and when things happened."""

from __future__ import annotations

import math
from pathlib import Path

from tests.chaos import timeline
from tests.chaos.ledger import Entry, Ledger, read
from tests.chaos.memory import Sample, growth, slope_megabytes
from tests.chaos.traces import Classified, Evidence, Inference

SENT = {"sent_at": 1.0, "image_id": "a" * 64, "source": "star", "kind": "good"}


def test_a_request_is_read_with_its_answer(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        number = ledger.note_sending(**SENT)
        ledger.note_answer(number, answered_at=2.0, status=202, job_id="job")

    entry = next(read(tmp_path / "ledger"))

    assert (entry.number, entry.status, entry.job_id) == (number, 202, "job")
    assert entry.is_accepted


def test_a_request_without_answer_is_read_too(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        unanswered = ledger.note_sending(**SENT)
        answered = ledger.note_sending(**SENT)
        ledger.note_answer(answered, answered_at=2.0, status=503)

    entries = {entry.number: entry.status for entry in read(tmp_path / "ledger")}

    assert entries == {unanswered: None, answered: 503}


def test_an_entry_is_on_the_disk_before_the_request_is_sent(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.note_sending(**SENT)

        assert len(list(read(tmp_path / "ledger"))) == 1


def test_the_longest_gap_counts_both_ends() -> None:
    assert timeline.longest_gap([2.0, 3.0, 9.0], begin=0.0, end=5.0) == 2.0
    assert timeline.longest_gap([], begin=0.0, end=5.0) == 5.0


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert timeline.percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert timeline.percentile([float(each) for each in range(1, 21)], 95) == 19.0


def test_what_never_came_back_took_forever() -> None:
    assert timeline.after([1.0, 2.0], 2.0) == math.inf
    assert timeline.whole_way_after([], Evidence(), 1.0) == math.inf


def test_a_result_of_an_older_inference_is_no_recovery() -> None:
    old, new = ("default", "a" * 64, "m"), ("default", "b" * 64, "m")
    left = Evidence(
        classified={
            "job-1": Classified(*old, label="star", at=10.5),
            "job-2": Classified(*new, label="star", at=12.0),
        },
        inferences=[Inference(9.9, 1, old), Inference(11.0, 2, new)],
    )

    assert timeline.inferred_after(left, 10.0) == 2.0


def test_a_202_to_a_request_from_before_is_no_recovery() -> None:
    def accepted(sent_at: float, answered_at: float) -> Entry:
        return Entry(0, sent_at, "a" * 64, "star", answered_at=answered_at, status=202)

    assert timeline.accepted_after([accepted(9.0, 10.5), accepted(11.0, 12.0)], 10.0) == 2.0


def test_a_slope_is_megabytes_for_ten_thousand_images() -> None:
    samples = [Sample(images, 1, 50_000_000 + images * 200, 10, 4) for images in (0, 500, 1000)]

    assert round(slope_megabytes(samples), 6) == 2.0


def test_growth_compares_the_ends_and_forgives_a_peak() -> None:
    assert growth([10, 10, 99, 10, 10, 10, 10, 10]) == 0
    assert growth([10, 10, 12, 14, 16, 18, 20, 20]) == 10
