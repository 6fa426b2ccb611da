"""Models of other kinds through the whole system, switched while images come in."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL.PngImagePlugin import PngInfo

from model import Model
from pipeline.ids import JobIds
from pipeline.images import decoding
from pipeline.models import bundles
from pipeline.settings import Settings
from preprocessing import preprocess
from tests import pictures
from tests.imagectl import added, current, imagectl, use
from tests.keras_reference import keras_scores
from tests.sending import PATIENT, accepted
from tests.stack import Stack, until

CLIENTS = 3
SWITCHES = 4
UPLOADS_BETWEEN = 40
_RUN = os.urandom(8).hex()

# Models are made and converted by TensorFlow; and each upload of a load is looked at.
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module", autouse=True)
def restored(stack: Stack) -> Iterator[None]:
    """The model that was served before is served again.

    Until then no upload is refused because the machine is busy: only switching may make one fail.
    """
    before = current(stack)
    with stack.given("image-upload", **PATIENT):
        yield
    use(stack, before)


def loaded(stack: Stack, model_id: str) -> Model:
    return Model.from_files(bundles.read_bundle(stack.store, model_id))


def seen_by(model: Model, picture: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The array that the classifier makes of a picture."""
    limits = decoding.Limits.from_settings(Settings())
    image = decoding.decode(picture, limits, model.manifest.preprocessing.min_short_side)
    return preprocess(image, model.manifest).array


def picture(number: int) -> bytes:
    """A picture of its own for every number, as a PNG."""
    width, height = 90 + number % 40, 80 + number // 40 % 40
    turned = pictures.gradient(width, height).rotate(number * 37 % 360)
    words = PngInfo()
    words.add_text("run", _RUN)  # the system may have seen the pictures of earlier runs
    return pictures.encode(turned, "PNG", pnginfo=words)


@pytest.mark.parametrize("kind", ["saved", "grey"])
def test_a_picture_is_answered_as_keras_does(
    stack: Stack, made_models: Path, tmp_path: Path, kind: str
) -> None:
    model_id = added(stack, made_models / kind)
    use(stack, model_id)
    model, sent = loaded(stack, model_id), [picture(number) for number in (1, 8, 25)]

    jobs = [accepted(stack, each) for each in sent]
    answers: list[Any] = [stack.finished(job["jobId"]) for job in jobs]

    arrays = np.concatenate([seen_by(model, each) for each in sent])
    expected = keras_scores(made_models / f"{kind}.keras", arrays, tmp_path)
    for answer, scores in zip(answers, expected, strict=True):
        assert answer["result"]["modelId"] == model_id
        ours = {each["label"]: each["score"] for each in answer["result"]["labels"]}
        theirs = dict(zip(model.labels, scores.tolist(), strict=True))
        assert next(iter(ours)) == max(theirs, key=theirs.__getitem__)
        assert max(abs(ours[label] - theirs[label]) for label in ours) < 1e-3


def test_the_models_are_listed(stack: Stack, made_models: Path) -> None:
    model_id = added(stack, made_models / "grey")

    rows = json.loads(imagectl(stack, "models", "list", "--json").stdout)
    table = imagectl(stack, "models", "list").stdout

    (grey,) = [row for row in rows if row["modelId"] == model_id]
    assert (grey["name"], grey["version"], grey["classes"]) == ("digits", "1", 3)
    assert grey["input"] == {"height": 28, "width": 36, "channels": 1}
    assert [row["modelId"] for row in rows if row["current"]] == [current(stack)]
    assert [row["name"] for row in rows if row.get("demonstration")] == ["demonstration"]
    assert all(row["modelId"] in table for row in rows)


@dataclass
class Load:
    """Clients that upload without a pause until they are told to stop."""

    stack: Stack
    jobs: list[tuple[int, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self, client: int) -> None:
        number = client
        while not self.ended.is_set():
            try:
                response = self.stack.upload(picture(number))
                self.jobs.append((number, response.json()["jobId"]))
            except (OSError, ValueError, KeyError) as error:
                self.failed.append(f"{number}: {error!r}")
            number += CLIENTS

    def sent(self, count: int) -> None:
        """Wait until that many more were accepted."""
        goal = len(self.jobs) + count
        until(lambda: self.failed or len(self.jobs) >= goal or None, 600)


def test_switching_under_load_loses_nothing_and_mixes_nothing_up(
    stack: Stack, made_models: Path
) -> None:
    grey, saved = added(stack, made_models / "grey"), added(stack, made_models / "saved")
    use(stack, saved)
    pinned_before = times_pinned(stack)
    load = Load(stack)
    clients = [threading.Thread(target=load.run, args=(client,)) for client in range(CLIENTS)]
    for client in clients:
        client.start()

    try:
        # A backlog that only the classifier of the other model will see.
        with stack.frozen("image-process-consumer"):
            load.sent(UPLOADS_BETWEEN)
            use(stack, grey)
        for turn in range(1, SWITCHES):
            load.sent(UPLOADS_BETWEEN)
            use(stack, saved if turn % 2 else grey)
        load.sent(UPLOADS_BETWEEN)
    finally:
        load.ended.set()
        for client in clients:
            client.join()

    assert load.failed == []
    job_ids = JobIds(stack.secret("job-signing-key"))
    models = {model_id: loaded(stack, model_id) for model_id in (grey, saved)}
    wrong: list[str] = []
    pinned: list[str] = []
    for number, job_id in load.jobs:
        job = stack.finished(job_id, 600)
        model_id = job_ids.read(job_id, "default").model_id
        pinned.append(model_id)
        model = models[model_id]
        (best,) = model.top_k(model.predict(seen_by(model, picture(number))), 1)
        result: Any = job.get("result") or {"modelId": "none", "labels": [{"label": job["status"]}]}
        if (result["modelId"], result["labels"][0]["label"]) != (model_id, best.label):
            wrong.append(job_id)
    assert wrong == []
    assert set(pinned) == {grey, saved}
    until(lambda: times_pinned(stack) > pinned_before)  # a log is written a moment later
    print(f"{len(load.jobs)} jobs over {SWITCHES} switches, 0 failed, 0 lost, 0 wrong")


def times_pinned(stack: Stack) -> int:
    """How often a classifier had to load the model that a job was accepted under."""
    return sum(log.count(b'"pinned model loaded"') for log in stack.logs())
