"""The model bundle's manifest: its names, its digests and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from pipeline.errors import ModelRefused
from pipeline.ids import MODEL_ID_PATTERN
from pipeline.models.labels import parse_labels
from pipeline.models.manifest import (
    LABELS_FILE,
    MODEL_FILE,
    Input,
    Manifest,
    Preprocessing,
    Source,
    sha256,
)

MODEL, LABELS = b"weights", b"cat\ndog\n"

MANIFEST = Manifest(
    name="pets",
    version="1",
    demonstration=False,
    input=Input(224, 224, 3),
    preprocessing=Preprocessing("minus-one-to-one", 0.875, 512),
    output="probabilities",
    digests={MODEL_FILE: sha256(MODEL), LABELS_FILE: sha256(LABELS)},
    source=Source("pets.keras", "0" * 64),
)


def changed(path: str, value: object) -> bytes:
    """Write the manifest with one field changed, or removed when the value is None."""
    data: dict[str, Any] = json.loads(MANIFEST.to_json())
    *parents, key = path.split("/")
    place = data
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[key]
    else:
        place[key] = value
    return json.dumps(data).encode()


def test_manifest_survives_writing_and_reading() -> None:
    again = Manifest.from_json(MANIFEST.to_json())

    assert again == MANIFEST
    assert again.to_json() == MANIFEST.to_json()


def test_model_id_is_the_name_and_a_short_digest() -> None:
    assert re.fullmatch(r"pets-[0-9a-f]{12}", MANIFEST.model_id)
    assert MODEL_ID_PATTERN.fullmatch(replace(MANIFEST, name="x" * 64).model_id)


@pytest.mark.parametrize(
    "other",
    [
        replace(MANIFEST, digests={**MANIFEST.digests, MODEL_FILE: sha256(b"other")}),
        replace(MANIFEST, digests={**MANIFEST.digests, LABELS_FILE: sha256(b"other")}),
        replace(MANIFEST, input=Input(224, 192, 3)),
        replace(MANIFEST, output="logits"),
        replace(MANIFEST, preprocessing=Preprocessing("zero-to-one", 0.875, 512)),
        replace(MANIFEST, preprocessing=Preprocessing("minus-one-to-one", 1.0, 512)),
        replace(MANIFEST, preprocessing=Preprocessing("minus-one-to-one", 0.875, 256)),
    ],
    ids=["weights", "labels", "input", "output", "scale", "crop", "minShortSide"],
)
def test_whatever_changes_the_answers_changes_the_model_id(other: Manifest) -> None:
    assert other.model_id != MANIFEST.model_id


def test_what_changes_no_answer_keeps_the_model_id() -> None:
    other = replace(MANIFEST, version="2", source=Source("pets.tflite", "1" * 64))

    assert other.model_id == MANIFEST.model_id


def test_preprocessing_name_tells_apart_pictures_and_is_fit_for_a_file() -> None:
    grey = replace(MANIFEST, input=Input(28, 32, 1))
    whole = replace(MANIFEST, preprocessing=Preprocessing("none", 1.0, 448, "bicubic"))

    assert MANIFEST.preprocessing_name == "224x224-crop0875-short512"
    assert grey.preprocessing_name == "28x32-crop0875-short512-grey"
    assert whole.preprocessing_name == "224x224-crop10-short448-bicubic"


def test_preprocessing_digest_ignores_the_weights_but_not_the_scale() -> None:
    weights = replace(MANIFEST, digests={**MANIFEST.digests, MODEL_FILE: sha256(b"other")})
    scale = replace(MANIFEST, preprocessing=Preprocessing("none", 0.875, 512))

    assert weights.preprocessing_digest == MANIFEST.preprocessing_digest
    assert scale.preprocessing_digest != MANIFEST.preprocessing_digest


def test_keys_lie_under_the_model_id() -> None:
    assert MANIFEST.key(MODEL_FILE) == f"{MANIFEST.model_id}/model.tflite"


def test_verify_accepts_the_bytes_the_manifest_was_made_for() -> None:
    MANIFEST.verify(MODEL_FILE, MODEL)
    MANIFEST.verify(LABELS_FILE, LABELS)


def test_verify_names_what_was_found_and_what_is_expected() -> None:
    with pytest.raises(ModelRefused) as refusal:
        MANIFEST.verify(MODEL_FILE, b"Weights")

    assert sha256(b"Weights") in str(refusal.value)
    assert sha256(MODEL) in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("name", None, "name is missing; expected a text"),
        ("name", "../x", "model name is '../x'; expected up to 64 letters"),
        ("demonstration", "yes", r"demonstration is 'yes' \(str\); expected true or false"),
        ("input/height", 0, "input is 0 × 224 pixels"),
        ("input/height", True, r"height is True \(bool\); expected a whole number"),
        ("input/channels", 4, "input channels is 4; expected 1 or 3"),
        ("input", [224, 224, 3], "input is .* expected an object"),
        ("preprocessing/scale", "caffe", "scale is 'caffe'; expected minus-one-to-one or"),
        ("preprocessing/crop", 1.5, r"crop is 1.5; expected 0.1 to 1"),
        ("preprocessing/minShortSide", 0, "minShortSide is 0; expected at least 1"),
        ("preprocessing/resample", "box", "resample is 'box'; expected bilinear or bicubic"),
        ("output", "votes", "output is 'votes'; expected probabilities or logits"),
        ("digests/labels.txt", None, "digests are of model.tflite; expected of model.tflite and"),
        ("digests/model.tflite", "ABC", "digest of model.tflite is 'ABC'; expected 64 hex digits"),
        ("modelId", "pets-000000000000", "says modelId pets-000000000000; its fields make pets-"),
        ("output", "logits", "its fields make pets-"),
    ],
)
def test_wrong_field_is_refused_by_name(path: str, value: object, message: str) -> None:
    with pytest.raises(ModelRefused, match=message):
        Manifest.from_json(changed(path, value))


def test_text_that_is_no_json_object_is_refused() -> None:
    with pytest.raises(ModelRefused, match="not JSON"):
        Manifest.from_json(b"{")
    with pytest.raises(ModelRefused, match="missing"):
        Manifest.from_json(b"[]")


def test_labels_may_repeat_and_end_with_or_without_a_line_end() -> None:
    assert parse_labels(b"\xef\xbb\xbfcrane\r\ncrane\r\n\n") == ("crane", "crane")
    assert parse_labels("Möwe\nb, c".encode()) == ("Möwe", "b, c")


def test_labels_with_a_gap_or_in_another_encoding_are_refused() -> None:
    with pytest.raises(ModelRefused, match=r"line 2 of labels\.txt is empty"):
        parse_labels(b"cat\n\ndog\n")
    with pytest.raises(ModelRefused, match="not UTF-8"):
        parse_labels("Möwe".encode("latin-1"))


def test_manifest_needs_neither_arrays_nor_clients() -> None:
    heavy = "{'numpy', 'minio', 'PIL', 'ai_edge_litert', 'tensorflow'}"
    imports = "import sys, pipeline.models.manifest, pipeline.models.labels"
    code = f"{imports}; print({heavy} & set(sys.modules))"

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "set()"
