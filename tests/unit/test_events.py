"""Events are small CloudEvents that are read back as they were written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.errors import MalformedEvent
from pipeline.events import cloudevents
from tests.samples import TRACEPARENT, job_id, uploaded


def test_an_event_is_read_back_as_it_was_written() -> None:
    event = uploaded(duplicate=True)

    assert cloudevents.decode_uploaded(event.encode()) == event


def test_a_retry_carries_its_attempt_and_its_time() -> None:
    retry = uploaded().again(not_before=1_800_000_000.25)

    assert cloudevents.decode_uploaded(retry.encode()) == retry
    assert retry.attempt == 2


def test_it_is_a_cloud_event_with_the_fields_of_the_contract() -> None:
    event = json.loads(uploaded().encode())

    assert event["specversion"] == "1.0"
    assert event["type"] == "ImageUploaded"
    assert event["traceparent"] == TRACEPARENT
    assert event["subject"] == event["data"]["imageId"]
    assert set(event["data"]) == {
        "tenantId", "jobId", "imageId", "modelId", "originalFileName", "storageProvider",
        "storagePath", "fileSize", "mimeType", "uploadedAt", "duplicate",
    }  # fmt: skip


def test_its_id_depends_on_the_job_alone() -> None:
    first, again = (json.loads(event.encode()) for event in (uploaded(), uploaded().again(1.0)))

    assert first["id"] == again["id"]
    assert first["id"] != json.loads(uploaded("b").encode())["id"]


def test_the_longest_file_name_keeps_it_under_4_kb() -> None:
    event = uploaded(original_file_name="\N{GRINNING FACE}" * 255, model_id="m" * 100)

    assert len(event.encode()) < cloudevents.MAX_EVENT_BYTES


def _changed(**changes: Any) -> bytes:
    event = json.loads(uploaded().encode())
    event["data"].update(changes)
    return json.dumps(event).encode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a CloudEvent"),
        (b'{"type":"ImageUploaded"}', "no data object"),
        (b'{"type":"ImageUploaded","data":{}}', "data.tenantId is NoneType"),
        (_changed(fileSize="12"), "data.fileSize is str; it must be int"),
        (_changed(fileSize=True), "data.fileSize is bool; it must be int"),
        (_changed(tenantId="../other"), "data.tenantId is not well formed"),
        (_changed(imageId="ABC"), "data.imageId is not well formed"),
        (_changed(modelId="a/b"), "data.modelId is not well formed"),
        (_changed(jobId="../../../x"), "data.jobId is not well formed"),
        (_changed(jobId=job_id("b")), "data.jobId is about another image or model"),
        (_changed(storagePath="input-images/other/aa/x.jpg"), "not the image's own object"),
        (_changed(storagePath="secrets/key.jpg"), "not the image's own object"),
    ],
)
def test_what_this_system_did_not_write_is_refused_with_its_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(MalformedEvent, match=reason):
        cloudevents.decode_uploaded(raw)


@pytest.mark.parametrize("attempt", [0, -1, "2", True, 1.5])
def test_an_impossible_attempt_is_refused(attempt: object) -> None:
    event = uploaded().to_cloud_event() | {"attempt": attempt}

    with pytest.raises(MalformedEvent, match="attempt"):
        cloudevents.parse_uploaded(event)


def test_a_replay_starts_with_its_whole_budget_and_looks_for_a_result_first() -> None:
    replay = uploaded().again(not_before=1_800_000_000.0).replayed()

    assert cloudevents.decode_uploaded(replay.encode()) == replay
    assert (replay.attempt, replay.not_before, replay.replays) == (1, 0.0, 1)
    assert replay.redelivered


@pytest.mark.parametrize("replays", [-1, "2", True, 1.5])
def test_an_impossible_number_of_replays_is_refused(replays: object) -> None:
    event = uploaded().to_cloud_event() | {"replays": replays}

    with pytest.raises(MalformedEvent, match="replays"):
        cloudevents.parse_uploaded(event)
