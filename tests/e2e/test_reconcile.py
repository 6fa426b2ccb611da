"""`imagectl reconcile` on a running stack: every image is accounted for, lost ones come back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import ids, telemetry
from pipeline.events import cloudevents
from pipeline.events.cloudevents import ImageUploaded
from pipeline.events.provenance import metadata_of
from tests import pictures
from tests.chaos.evidence import lag
from tests.imagectl import current, imagectl
from tests.kafka import accepted_events_of, count_accepted
from tests.sending import PATIENT, accepted
from tests.stack import ROOT, Stack, until
from tests.stacks import own_stack

BACKLOG = 200
CLIENTS = 2
LOOKS = 3

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, whose every image is accounted for.

    Its timer looks once, when nothing is old enough. No upload is refused because the machine is
    busy: one that stores an image and is then refused leaves an image without an event.
    """
    folder = tmp_path_factory.mktemp("reconcile")
    with own_stack(folder, RECONCILE_EVERY_SECONDS="86400") as running:
        running.give("image-upload", **PATIENT)
        yield running


def figures(stack: Stack, *words: str) -> dict[str, Any]:
    done = imagectl(stack, "reconcile", "--json", *words)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_balanced(found: dict[str, Any], under_way: int = 0) -> None:
    """Nothing is missing; nothing is sent again but uploads under way, which a grace of 0 risks."""
    states = ("completed", "failed", "inFlight", "missing")
    assert found["accepted"] == sum(found[name] for name in states)
    assert (found["missing"], found["missingJobs"]) == (0, [])
    assert found["reEmitted"] <= under_way


def picture() -> bytes:
    return pictures.with_nonce(pictures.jpeg(), os.urandom(8))


def stored_without_event(stack: Stack, data: bytes) -> ImageUploaded:
    """Do what an upload does that is killed before its event is sent.

    What is older than it is committed first: nothing is lost as long as it may be waiting.
    """
    until(lambda: lag(stack) == 0)
    image, now = ids.image_id(data), datetime.now(UTC)
    key, model = ids.input_key("default", image, "jpg"), current(stack)
    job_ids = ids.JobIds(stack.secret("job-signing-key"))
    event = ImageUploaded(
        tenant_id="default",
        job_id=job_ids.issue("default", image, model, now),
        image_id=image,
        model_id=model,
        original_file_name="Kätzchen.jpg",
        storage_path=f"{ids.INPUT_BUCKET}/{key}",
        file_size=len(data),
        mime_type="image/jpeg",
        uploaded_at=cloudevents.datetime_text(now.timestamp()),
        duplicate=False,
        traceparent=telemetry.child_traceparent(telemetry.trace_id(None)),
    )
    assert stack.store.create(ids.INPUT_BUCKET, key, data, "image/jpeg", metadata_of(event))
    return event


def test_an_image_whose_event_never_came_completes_as_its_own_job(stack: Stack) -> None:
    event = stored_without_event(stack, picture())
    until(lambda: stack.get(f"/api/v1/jobs/{event.job_id}").json()["status"] == "pending")

    first = figures(stack, "--grace", "0")
    job: Any = stack.finished(event.job_id)

    assert first["reEmitted"] == 1
    assert job["status"] == "completed"
    assert job["result"]["originalFileName"] == event.original_file_name
    assert job["result"]["traceId"] == event.traceparent.split("-")[1]
    assert figures(stack, "--grace", "0")["reEmitted"] == 0


def test_an_upload_says_in_its_object_what_its_event_says(stack: Stack) -> None:
    answer = stack.upload(picture(), Content_Disposition='x; filename="a.jpg"')
    assert answer.status_code == 202, answer.text
    sent = answer.json()
    (event,) = accepted_events_of(stack, sent["imageId"])

    key = ids.input_key("default", sent["imageId"], "jpg")
    described = stack.store.describe(ids.INPUT_BUCKET, key)

    assert described
    assert described.metadata == metadata_of(cloudevents.parse_uploaded(event))
    assert described.metadata["job-id"] == sent["jobId"]


def test_an_object_without_metadata_gets_a_job(stack: Stack) -> None:
    data = picture()
    key = ids.input_key("default", ids.image_id(data), "jpg")
    until(lambda: lag(stack) == 0)
    stack.store.put(ids.INPUT_BUCKET, key, data, "image/jpeg")

    assert figures(stack, "--grace", "0")["reEmitted"] == 1

    path = f"/api/v1/images/{ids.image_id(data)}"
    until(lambda: "labels" in stack.get(path).json())


def test_two_at_once_end_in_one_result(stack: Stack) -> None:
    event = stored_without_event(stack, picture())

    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(figures, stack, "--grace", "0") for _ in range(2)]
    for run in runs:
        run.result()

    assert stack.finished(event.job_id)["status"] == "completed"
    prefix = ids.result_key("default", event.image_id, "").removesuffix(".json")
    assert len(list(stack.store.keys(ids.RESULT_BUCKET, prefix))) == 1
    assert_balanced(figures(stack))


def test_an_upload_that_was_killed_is_found(stack: Stack) -> None:
    event = stored_without_event(stack, picture())

    assert figures(stack, "--dry-run")["found"] == 0
    assert figures(stack, "--dry-run", "--grace", "0")["found"] == 1
    assert accepted_events_of(stack, event.image_id) == []
    assert figures(stack, "--grace", "0")["reEmitted"] == 1
    assert stack.finished(event.job_id)["status"] == "completed"


def test_a_failed_image_is_left_alone(stack: Stack) -> None:
    before = figures(stack, "--dry-run")["failed"]
    job_id = accepted(stack, pictures.damaged_inside(os.urandom(8)))["jobId"]
    assert stack.finished(job_id)["status"] == "failed"

    found = figures(stack, "--grace", "0")

    assert found["failed"] == before + 1
    assert_balanced(found)


def test_a_backlog_is_not_sent_again(stack: Stack) -> None:
    with stack.frozen("image-process-consumer"):
        jobs = [accepted(stack, picture())["jobId"] for _ in range(BACKLOG)]
        before = count_accepted(stack)
        found = figures(stack, "--grace", "0")

        assert count_accepted(stack) == before
    assert found["inFlight"] >= BACKLOG
    assert_balanced(found)
    assert {str(stack.finished(job_id)["status"]) for job_id in jobs} == {"completed"}


def test_conservation_holds_at_every_moment_of_a_load(stack: Stack) -> None:
    ended, jobs = threading.Event(), []

    def send() -> None:
        while not ended.is_set():
            jobs.append(accepted(stack, picture())["jobId"])

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(send) for _ in range(CLIENTS)]
        try:
            until(lambda: jobs or None)
            looks = [figures(stack, "--grace", "0") for _ in range(LOOKS)]
            assert stack.kill("image-process-consumer")
            sent = len(jobs)
            looks += [figures(stack, "--grace", "0") for _ in range(LOOKS - 1)]
            until(lambda: len(jobs) > sent + CLIENTS)
            looks.append(figures(stack, "--grace", "0"))
        finally:
            ended.set()
    for client in clients:
        client.result()

    for found in looks:
        assert_balanced(found, under_way=CLIENTS)
    assert looks[-1]["accepted"] > looks[0]["accepted"] > 0
    assert {str(stack.finished(job_id)["status"]) for job_id in jobs} == {"completed"}
    assert_balanced(figures(stack))


def test_the_figures_are_told_as_text(stack: Stack) -> None:
    told = imagectl(stack, "reconcile", "--dry-run").stdout

    assert [line.split("  ")[0] for line in told.splitlines()] == [
        "accepted", "completed", "failed", "in flight", "missing", "sent again",
        "would be sent again: 0",
    ]  # fmt: skip


def test_a_timer_finds_a_lost_image_and_outlives_an_outage(stack: Stack, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "imagectl", "reconcile", "--every", "0.2", "--grace", "0"]
    log = tmp_path / "timer.log"
    with log.open("wb") as output:
        timer = subprocess.Popen(command, cwd=ROOT, env=stack.operator, stdout=output)
    try:
        until(lambda: says(log, "nothing to reconcile"))
        # What is killed may be back before anybody misses it.
        with stack.frozen("minio"):
            until(lambda: says(log, "cannot reconcile now"))
        until(lambda: stack.get("/readyz").status_code == 200)
        event = stored_without_event(stack, picture())
        assert stack.finished(event.job_id)["status"] == "completed"
        until(lambda: says(log, "reconciled"))
    finally:
        timer.terminate()
        timer.wait()


def says(log: Path, message: str) -> bool:
    lines = log.read_text().rpartition("\n")[0].splitlines()  # the last may not be whole yet
    return message in {json.loads(line)["message"] for line in lines}


def test_the_stack_runs_a_reconciler(stack: Stack) -> None:
    assert stack.pids("reconciler")
