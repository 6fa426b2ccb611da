"""The model: its bundle checked, its scores and its labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import litert
from pipeline.errors import ModelRefused
from pipeline.models.labels import parse_labels
from pipeline.models.manifest import BUNDLE_FILES, LABELS_FILE, MANIFEST_FILE, MODEL_FILE, Manifest

Scores = NDArray[np.float32]


class Prediction(NamedTuple):
    """A label and its probability."""

    label: str
    score: float


class Model:
    """A model bundle, ready to predict on one core.

    Not thread-safe, as a LiteRT interpreter is not: the caller holds a lock around `predict`.
    """

    def __init__(self, manifest: Manifest, model: bytes, labels: bytes) -> None:
        """Check the bundle and make the interpreter.

        Raises:
            ModelRefused: bytes that do not fit their digest, or a model that does not fit its
                manifest or labels; says what was found and what is expected.
        """
        manifest.verify(MODEL_FILE, model)
        manifest.verify(LABELS_FILE, labels)
        self.manifest = manifest
        self.labels = parse_labels(labels)
        self._interpreter = litert.load(model)
        self._input = litert.Tensor.only(self._interpreter.get_input_details(), "input")
        self._output = litert.Tensor.only(self._interpreter.get_output_details(), "output")
        self._check_shapes()

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Model:
        """Make a model of a bundle's three files, by their names.

        Raises:
            ModelRefused: as above, or a file is missing.
        """
        missing = [file for file in BUNDLE_FILES if file not in files]
        if missing:
            raise ModelRefused(f"the model bundle has no {', '.join(missing)}")
        manifest = Manifest.from_json(files[MANIFEST_FILE])
        return cls(manifest, files[MODEL_FILE], files[LABELS_FILE])

    @classmethod
    def from_folder(cls, folder: Path) -> Model:
        """Make a model of a bundle in a folder.

        Raises:
            ModelRefused: as above.
        """
        paths = (folder / file for file in BUNDLE_FILES)
        return cls.from_files({path.name: path.read_bytes() for path in paths if path.is_file()})

    def predict(self, array: NDArray[np.float32]) -> Scores:
        """Score one preprocessed image.

        Args:
            array: float32 (1, height, width, channels) in the model's range.

        Returns:
            float32 (classes,), probabilities in the order of `labels`.
        """
        self._interpreter.set_tensor(self._input.number, self._input.quantised(array))
        self._interpreter.invoke()
        output = self._interpreter.get_tensor(self._output.number)
        scores = self._output.dequantised(output).reshape(-1)
        return _softmax(scores) if self.manifest.output == "logits" else scores

    def top_k(self, scores: Scores, k: int) -> list[Prediction]:
        """Pick the k best labels, best first; of equal scores the earlier label wins."""
        best = np.argsort(-scores, kind="stable")[:k]
        return [Prediction(self.labels[index], float(scores[index])) for index in best]

    def _check_shapes(self) -> None:
        size = self.manifest.input
        expected = (1, size.height, size.width, size.channels)
        if self._input.shape != expected:
            raise ModelRefused(
                f"{self.manifest.model_id} takes {self._input.shape}; its manifest says {expected}"
            )
        classes = self._output.shape[-1] if self._output.shape else 0
        if classes != len(self.labels) or classes != np.prod(self._output.shape):
            raise ModelRefused(
                f"{self.manifest.model_id} gives {self._output.shape} scores;"
                f" expected (1, {len(self.labels)}), as it has {len(self.labels)} labels"
            )


def _softmax(logits: Scores) -> Scores:
    exponentials = np.exp(logits - logits.max())
    return np.asarray(exponentials / exponentials.sum(), np.float32)
