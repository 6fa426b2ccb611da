"""The classifier looks at each image once and answers for every reference."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline import ids
from pipeline.errors import Refused
from tests.classifier_bench import MANIFEST, OLDER, Bench, StubEngine


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_batch_is_answered_in_the_order_asked(bench: Bench) -> None:
    batch = [bench.store_image(name) for name in ("c", "a", "b")]

    answers = bench.classifier.classify(batch)

    assert [answer["jobId"] for answer in answers] == ["job-c", "job-a", "job-b"]
    assert [answer["result"]["labels"][0]["label"] for answer in answers] == ["c", "a", "b"]


def test_result_and_picture_are_stored_and_the_result_cached(bench: Bench) -> None:
    event = bench.store_image("a")

    (answer,) = bench.classifier.classify([event])

    result_key = ids.result_key("default", event.image_id, MANIFEST.model_id)
    picture_key = ids.processed_key("default", event.image_id, MANIFEST.preprocessing_name)
    stored = bench.store.objects["classification-results", result_key]
    assert json.loads(stored) == answer["result"]
    assert bench.store.objects["processed-images", picture_key].startswith(b"\xff\xd8")
    assert bench.cache.values["default", event.image_id, MANIFEST.model_id] == stored


def test_equal_images_of_a_batch_are_looked_at_once(bench: Bench) -> None:
    batch = [bench.store_image("a", job_id=f"job-{number}") for number in range(10)]

    answers = bench.classifier.classify(batch)

    assert bench.engine.looked_at == [b"a"]
    assert [answer["status"] for answer in answers] == ["completed"] * 10


def test_equal_images_of_two_tenants_stay_apart(bench: Bench) -> None:
    batch = [bench.store_image("a"), bench.store_image("a", tenant_id="other")]

    bench.classifier.classify(batch)

    tenants = {key.split("/")[0] for bucket, key in bench.store.objects if bucket != "input-images"}
    assert tenants == {"default", "other"}


def test_a_cached_result_is_not_inferred_again(bench: Bench) -> None:
    event = bench.store_image("a")
    bench.classifier.classify([event])

    bench.classifier.classify([event])

    assert len(bench.engine.looked_at) == 1


@pytest.mark.parametrize("change", [{"duplicate": True}, {"redelivered": True}, {"attempt": 2}])
def test_without_redis_a_repeated_image_is_found_in_the_store(
    bench: Bench, change: dict[str, Any]
) -> None:
    bench.cache.down = True
    bench.classifier.classify([bench.store_image("a")])

    (answer,) = bench.classifier.classify([bench.store_image("a", **change)])

    assert answer["status"] == "completed"
    assert len(bench.engine.looked_at) == 1


def test_damage_fails_its_own_image_alone(bench: Bench) -> None:
    batch = [bench.store_image("damaged"), bench.store_image("a")]

    bad, good = bench.classifier.classify(batch)

    assert bad["status"] == "invalid"
    assert bad["error"] == {"code": "damaged-image", "detail": "the JPEG file is damaged"}
    assert good["status"] == "completed"


def test_an_image_that_is_gone_is_invalid(bench: Bench) -> None:
    event = bench.store_image("a")
    bench.store.objects.clear()

    (answer,) = bench.classifier.classify([event])

    assert (answer["status"], answer["error"]["code"]) == ("invalid", "image-missing")


def test_an_object_with_other_bytes_than_were_sent_is_invalid(bench: Bench) -> None:
    event = bench.store_image("a")
    bench.store.put("input-images", event.storage_path.partition("/")[2], b"other", "image/jpeg")

    (answer,) = bench.classifier.classify([event])

    assert (answer["status"], answer["error"]["code"]) == ("invalid", "image-changed")


def test_an_object_that_the_store_refuses_is_invalid_and_no_other_is(bench: Bench) -> None:
    batch = [bench.store_image(name) for name in ("a", "b", "c")]
    bench.store.refused.add(batch[1].storage_path.partition("/")[2])

    answers = bench.classifier.classify(batch)

    assert [answer["status"] for answer in answers] == ["completed", "invalid", "completed"]
    assert answers[1]["error"]["code"] == "store-refused"


def test_a_result_that_the_store_refuses_is_found_image_by_image(bench: Bench) -> None:
    good, bad = bench.store_image("a"), bench.store_image("b")
    bench.store.refused.add(ids.result_key("default", bad.image_id, MANIFEST.model_id))

    with pytest.raises(Refused):
        bench.classifier.classify([good, bad])

    (first,), (second,) = (bench.classifier.classify([each]) for each in (good, bad))
    assert (first["status"], second["status"]) == ("completed", "invalid")


def test_a_store_that_is_down_makes_images_unavailable_not_invalid(bench: Bench) -> None:
    event = bench.store_image("a")
    bench.store.down = True

    (answer,) = bench.classifier.classify([event])

    assert answer["status"] == "unavailable"


def test_a_job_is_answered_by_the_model_it_is_pinned_to(bench: Bench) -> None:
    bench.others[OLDER.model_id] = older = StubEngine(OLDER)
    batch = [bench.store_image("a"), bench.store_image("b", model_id=OLDER.model_id)]

    answers = bench.classifier.classify(batch)

    assert [answer["result"]["modelId"] for answer in answers] == [
        MANIFEST.model_id,
        OLDER.model_id,
    ]
    assert (bench.engine.looked_at, older.looked_at) == ([b"a"], [b"b"])


def test_one_image_under_two_models_has_two_results(bench: Bench) -> None:
    bench.others[OLDER.model_id] = StubEngine(OLDER)
    batch = [bench.store_image("a"), bench.store_image("a", model_id=OLDER.model_id)]

    answers = bench.classifier.classify(batch)

    assert {answer["result"]["modelId"] for answer in answers} == {
        MANIFEST.model_id,
        OLDER.model_id,
    }


def test_while_the_store_is_down_jobs_of_another_model_wait_for_it(bench: Bench) -> None:
    event = bench.store_image("a", model_id=OLDER.model_id)
    bench.store.down = True

    (answer,) = bench.classifier.classify([event])

    assert answer["status"] == "unavailable"


def test_a_job_whose_model_is_gone_is_filed_under_both_and_says_which_it_was(bench: Bench) -> None:
    event = bench.store_image("a", model_id="older-0123456789ab")

    (answer,) = bench.classifier.classify([event])

    filed = [key for bucket, key in bench.store.objects if bucket == "classification-results"]
    assert sorted(key.rpartition("/")[2] for key in filed) == sorted(
        ["older-0123456789ab.json", f"{MANIFEST.model_id}.json"]
    )
    assert answer["result"]["modelId"] == MANIFEST.model_id
