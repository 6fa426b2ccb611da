"""What a LiteRT file says of itself: its picture, its classes, probabilities or logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from models.picture import picture
from pipeline.errors import ModelRefused
from pipeline.models.manifest import Input

_PROBES = 3
_SUM_TOLERANCE = 1e-3
# What the converter gives every quantised softmax or sigmoid.
_PROBABILITY_SCALE = 1 / 256


@dataclass(frozen=True)
class Facts:
    """What serving a model needs to know of it.

    Attributes:
        output: probabilities, logits, or None when probing did not tell.
        scale: as in a manifest's preprocessing, or None when the file does not tell.
    """

    input: Input
    classes: int
    output: str | None
    scale: str | None


def inspect(model: bytes) -> Facts:
    """Load a model, check that it classifies pictures and run it on noise.

    Raises:
        ModelRefused: it is no image classifier; says what was found and what is expected.
    """
    try:
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelRefused(f"LiteRT cannot load the model: {error}") from error
    taken = _only(interpreter.get_input_details(), "input")
    given = _only(interpreter.get_output_details(), "output")
    size, classes = _picture(taken), _classes(given)
    return Facts(size, classes, _output(interpreter, taken, given), _scale(taken))


def _only(details: list[dict[str, Any]], role: str) -> dict[str, Any]:
    if len(details) != 1:
        raise ModelRefused(f"the model has {len(details)} {role}s; expected 1")
    detail = details[0]
    if detail["dtype"] not in (np.float32, np.uint8, np.int8):
        raise ModelRefused(
            f"the model's {role} is {np.dtype(detail['dtype'])}; expected float32, uint8 or int8"
        )
    return detail


def _picture(taken: dict[str, Any]) -> Input:
    """Read the size; -1 in the signature is a side left open, which LiteRT would make 1 pixel."""
    return picture([None if side < 0 else int(side) for side in taken["shape_signature"]])


def _scale(taken: dict[str, Any]) -> str | None:
    """Bytes without a scale of their own are the picture's 8-bit values."""
    is_plain = taken["dtype"] is np.uint8 and not taken["quantization"][0]
    return "none" if is_plain else None


def _classes(given: dict[str, Any]) -> int:
    shape = tuple(int(side) for side in given["shape"])
    if not shape or shape[-1] < 2 or shape[-1] != np.prod(shape):
        raise ModelRefused(f"the model's output is {shape}; expected (1, classes), 2 classes up")
    return shape[-1]


def _output(interpreter: Interpreter, taken: dict[str, Any], given: dict[str, Any]) -> str | None:
    if given["dtype"] is not np.float32 and given["quantization"][0] == _PROBABILITY_SCALE:
        return "probabilities"
    scores = [_probe(interpreter, taken, given, seed) for seed in range(_PROBES)]
    if any(score.min() < 0 or score.max() > 1 for score in scores):
        return "logits"
    if all(abs(score.sum() - 1) < _SUM_TOLERANCE for score in scores):
        return "probabilities"
    return None


def _probe(
    interpreter: Interpreter, taken: dict[str, Any], given: dict[str, Any], seed: int
) -> NDArray[np.float32]:
    """Run the model on noise, in whatever way it stores numbers."""
    rng = np.random.default_rng(seed)
    noise = rng.uniform(-1, 1, taken["shape"]).astype(np.float32)
    if taken["dtype"] is not np.float32:
        limits = np.iinfo(taken["dtype"])
        noise = rng.integers(limits.min, limits.max, taken["shape"], endpoint=True)
    interpreter.set_tensor(taken["index"], noise.astype(taken["dtype"]))
    interpreter.invoke()
    scale, zero_point = given["quantization"]
    stored = interpreter.get_tensor(given["index"]).astype(np.float32)
    return np.asarray((stored - zero_point) * (scale or 1), np.float32)
