"""What `labels.txt` looks like."""

from __future__ import annotations

from pipeline.errors import ModelRefused
from pipeline.models.manifest import LABELS_FILE


def parse_labels(data: bytes) -> tuple[str, ...]:
    """Read labels: UTF-8, one a line, in the order of the model's outputs.

    Raises:
        ModelRefused: they are not UTF-8, or a line between labels is empty.
    """
    try:
        labels = tuple(line.strip() for line in data.decode("utf-8-sig").rstrip().split("\n"))
    except UnicodeDecodeError as error:
        raise ModelRefused(f"{LABELS_FILE} is not UTF-8: {error}") from error
    if "" in labels:
        raise ModelRefused(
            f"line {labels.index('') + 1} of {LABELS_FILE} is empty; expected one label a line"
        )
    return labels
