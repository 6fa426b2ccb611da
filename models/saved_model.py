"""A SavedModel: its signature, and how that becomes LiteRT.

Runs where TensorFlow may be imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.picture import picture
from pipeline.errors import ModelRefused

_SIGNATURE = "serving_default"


def to_litert(folder: Path, size: Mapping[str, int]) -> bytes:
    """Convert a SavedModel's signature, its batch fixed to one image.

    Raises:
        ModelRefused: it takes or gives something else than a picture and its scores.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    signature = _signature(loaded.signatures)
    name, spec = _only(signature.structured_input_signature[1], "input")
    output, _ = _only(signature.structured_outputs, "output")
    if spec.dtype != tf.float32:
        raise ModelRefused(f"the model's input {name} is {spec.dtype.name}; expected float32")
    taken = picture(spec.shape.as_list() if spec.shape.rank is not None else (), size)
    one_image = tf.TensorSpec((1, taken.height, taken.width, taken.channels), spec.dtype)

    @tf.function(input_signature=[one_image])  # type: ignore[untyped-decorator]
    def scores(image: Any) -> Any:
        return signature(**{name: image})[output]

    functions = [scores.get_concrete_function()]
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions(functions, loaded).convert())


def _signature(signatures: Mapping[str, Any]) -> Any:
    if _SIGNATURE in signatures:
        return signatures[_SIGNATURE]
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    raise ModelRefused(
        f"the SavedModel has the signatures {', '.join(signatures) or 'none'};"
        f" expected {_SIGNATURE}, or only one"
    )


def _only(specs: Mapping[str, Any], role: str) -> tuple[str, Any]:
    if len(specs) != 1:
        names = ", ".join(specs) or "none"
        raise ModelRefused(f"the model has {len(specs)} {role}s ({names}); expected 1")
    return next(iter(specs.items()))
