"""Whether a bundle can be served: digests, shape and labels, checked without the classifier."""

from __future__ import annotations

from collections.abc import Mapping

from models import litert
from pipeline.errors import ModelRefused
from pipeline.models.labels import parse_labels
from pipeline.models.manifest import LABELS_FILE, MANIFEST_FILE, MODEL_FILE, Manifest


def check(files: Mapping[str, bytes]) -> Manifest:
    """Check a bundle's three files against each other.

    Raises:
        ModelRefused: they do not fit; says what was found and what is expected.
    """
    manifest = Manifest.from_json(files[MANIFEST_FILE])
    for file in (MODEL_FILE, LABELS_FILE):
        manifest.verify(file, files[file])
    facts = litert.inspect(files[MODEL_FILE])
    if facts.input != manifest.input:
        raise ModelRefused(
            f"{manifest.model_id} takes {facts.input}; its manifest says {manifest.input}"
        )
    labels = parse_labels(files[LABELS_FILE])
    if facts.classes != len(labels):
        raise ModelRefused(
            f"{manifest.model_id} gives {facts.classes} scores;"
            f" expected {len(labels)}, as it has {len(labels)} labels"
        )
    return manifest
