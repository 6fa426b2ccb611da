"""The checker finds each kind of violation, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.checker import Verdict, check
from tests.chaos.ledger import POISON, Entry
from tests.chaos.oracle import Oracle
from tests.chaos.traces import Classified, Evidence, Failure, Inference, Letter, Result

MODEL = "demonstration-0123456789ab"
DIGESTS = (("labels.txt", "1" * 64), ("model.tflite", "2" * 64))
ORACLE = Oracle({("star", MODEL): "star", ("ring", MODEL): "ring"}, {MODEL: DIGESTS})
IMAGE = "a" * 64
BAD = "b" * 64


def entry(number: int, image: str, **changes: object) -> Entry:
    """A request that was answered 202."""
    answered = Entry(
        number=number,
        sent_at=1.0,
        image_id=image,
        source="star",
        answered_at=2.0,
        status=202,
        job_id=f"job-{number}",
        answered_image_id=image,
        model_id=MODEL,
    )
    return replace(answered, **changes)  # type: ignore[arg-type]


GOOD_ENTRY = entry(1, IMAGE)
POISON_ENTRY = entry(2, BAD, source="poison", kind=POISON)
KEY = ("default", IMAGE, MODEL)


def sound() -> Evidence:
    """What a sound run of one good image and one poison leaves behind."""
    return Evidence(
        inputs={("default", IMAGE), ("default", BAD)},
        results={KEY: Result(IMAGE, MODEL, "star", DIGESTS)},
        failures={"job-2": Failure("default", BAD, "invalid-image: it ends early")},
        uploaded={"job-1": KEY, "job-2": ("default", BAD, MODEL)},
        classified={"job-1": Classified(*KEY, label="star", at=3.0)},
        letters={"job-2": Letter("invalid-image: it ends early", 1, is_whole=True)},
        inferences=[Inference(2.5, 1, KEY)],
        conservation={"accepted": 2, "completed": 1, "failed": 1, "in flight": 0},
    )


def judge(evidence: Evidence, *entries: Entry) -> Verdict:
    return check(entries or (GOOD_ENTRY, POISON_ENTRY), evidence, ORACLE)


def result(**changes: object) -> Callable[[Evidence], None]:
    """Change the stored result."""

    def change(evidence: Evidence) -> None:
        evidence.results[KEY] = replace(evidence.results[KEY], **changes)  # type: ignore[arg-type]

    return change


def announced(**changes: object) -> Callable[[Evidence], None]:
    """Change the result event."""

    def change(evidence: Evidence) -> None:
        event = evidence.classified["job-1"]
        evidence.classified["job-1"] = replace(event, **changes)  # type: ignore[arg-type]

    return change


def failure(**changes: object) -> Callable[[Evidence], None]:
    """Change the stored failure."""

    def change(evidence: Evidence) -> None:
        stored = evidence.failures["job-2"]
        evidence.failures["job-2"] = replace(stored, **changes)  # type: ignore[arg-type]

    return change


def letter(**changes: object) -> Callable[[Evidence], None]:
    """Change the dead letter."""

    def change(evidence: Evidence) -> None:
        sent = evidence.letters["job-2"]
        evidence.letters["job-2"] = replace(sent, **changes)  # type: ignore[arg-type]

    return change


def test_a_sound_run_has_no_violation() -> None:
    verdict = judge(sound())

    assert verdict.violations == {}
    assert (verdict.accepted, verdict.completed, verdict.failed) == (2, 1, 1)
    assert (verdict.inferences, verdict.repeated_inferences) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("lost", lambda evidence: evidence.results.clear()),
        ("lost", lambda evidence: evidence.failures.clear()),
        ("doubled", result(versions=2)),
        ("doubled", failure(versions=2)),
        ("doubled", lambda it: it.failures.update({"job-1": Failure("default", IMAGE, "why")})),
        ("wrong", result(label="ring")),
        ("wrong", result(image_id=BAD)),
        ("wrong", result(model_id="other-0123456789ab")),
        ("wrong", result(digests=(("model.tflite", "3" * 64),))),
        ("wrong", announced(label="ring")),
        ("wrong", lambda it: it.failures.update({"job-1": Failure("default", IMAGE, "why")})),
        ("wrong", lambda it: it.results.update({("default", BAD, MODEL): it.results[KEY]})),
        ("phantom", lambda it: it.results.update({("default", "c" * 64, MODEL): it.results[KEY]})),
        ("phantom", lambda it: it.results.update({("other", IMAGE, MODEL): it.results[KEY]})),
        ("phantom", failure(image_id="c" * 64)),
        ("phantom", announced(image_id="c" * 64)),
        ("false_acceptances", lambda evidence: evidence.inputs.discard(("default", IMAGE))),
        ("false_acceptances", lambda evidence: evidence.uploaded.pop("job-1")),
        ("unannounced", lambda evidence: evidence.classified.clear()),
        ("dead_letters", lambda evidence: evidence.letters.clear()),
        ("dead_letters", letter(is_whole=False)),
        ("dead_letters", failure(reason="")),
        ("conservation", lambda evidence: evidence.conservation.update({"completed": 2})),
    ],
)
def test_a_violation_is_found(kind: str, spoil: Callable[[Evidence], None]) -> None:
    evidence = sound()

    spoil(evidence)

    assert kind in judge(evidence).violations


def test_a_202_that_names_another_image_is_wrong() -> None:
    verdict = judge(sound(), replace(GOOD_ENTRY, answered_image_id=BAD), POISON_ENTRY)

    assert list(verdict.violations) == ["wrong"]


def test_an_upload_without_answer_may_be_completed() -> None:
    unanswered = Entry(number=1, sent_at=1.0, image_id=IMAGE, source="star")

    verdict = judge(sound(), unanswered, POISON_ENTRY)

    assert verdict.violations == {}
    assert verdict.unanswered_completed == 1


def test_a_replayed_job_may_have_failed_and_be_completed() -> None:
    evidence = sound()
    evidence.failures["job-1"] = Failure("default", IMAGE, "call-failed: it broke off")
    evidence.letters["job-1"] = Letter("call-failed: it broke off", 5, is_whole=True)
    evidence.replayed.add("job-1")

    assert judge(evidence).violations == {}


def test_two_jobs_of_one_image_share_its_result() -> None:
    evidence = sound()
    evidence.uploaded["job-3"] = KEY
    evidence.classified["job-3"] = evidence.classified["job-1"]
    evidence.conservation = None

    verdict = judge(evidence, GOOD_ENTRY, POISON_ENTRY, entry(3, IMAGE))

    assert verdict.violations == {}
    assert verdict.completed == 2


def test_inferences_beyond_one_for_an_image_are_counted() -> None:
    evidence = sound()
    evidence.inferences += [Inference(4.0, 2, KEY), Inference(5.0, 2, KEY)]

    verdict = judge(evidence)

    assert (verdict.inferences, verdict.repeated_inferences) == (3, 2)
    assert verdict.repeated_share == 2.0


def test_events_beyond_one_for_a_job_are_counted_and_no_violation() -> None:
    evidence = sound()
    announced(times=3)(evidence)
    letter(times=2)(evidence)

    verdict = judge(evidence)

    assert verdict.violations == {}
    assert verdict.repeated_events == 3
