"""Weights without a model: the named architecture is built, and the weights loaded into it.

Runs where TensorFlow may be imported. What the weights tell by their shapes, the number of classes
and grey or RGB, need not be said.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ModelRefused

Shapes = Counter[tuple[int, ...]]

# Decided here, and not by model.yaml.
_OURS = {"include_top", "weights", "input_tensor", "input_shape", "pooling", "name"}
# Saved with the weights, and no part of the architecture.
_NO_WEIGHTS = ("optimizer", "seed_generator", "metrics")
_SHOWN = 4


def load(path: Path, architecture: Mapping[str, Any], size: Mapping[str, int]) -> Any:
    """Build a class of keras.applications and load the weights.

    Args:
        architecture: its name, and arguments of its constructor.
        size: height, width and channels, as far as model.yaml gives them.

    Raises:
        ModelRefused: there is no such architecture, or the weights are of another one.
    """
    make = _constructor(architecture)
    arguments = {key: value for key, value in architecture.items() if key != "name"}
    found = _shapes_in(path)
    model = _make(make, arguments, size)
    if _shapes_of(model) != found:
        arguments, size = _as_found(model, found, arguments, size)
        model = _make(make, arguments, size)
    _check(path, architecture["name"], arguments, model, found)
    model.load_weights(path)
    return model


def _constructor(architecture: Mapping[str, Any]) -> Callable[..., Any]:
    import keras

    known = {
        name: value
        for name, value in vars(keras.applications).items()
        if inspect.isfunction(value) and name[0].isupper()
    }
    name = architecture["name"]
    if name not in known:
        raise ModelRefused(f"architecture is {name!r}; expected {', '.join(sorted(known))}")
    allowed = inspect.signature(known[name]).parameters.keys() - _OURS
    if unknown := sorted(map(str, architecture.keys() - allowed - {"name"})):
        raise ModelRefused(
            f"architecture {name} is given {', '.join(unknown)};"
            f" it takes {', '.join(sorted(allowed))}"
        )
    return known[name]


def _make(make: Callable[..., Any], arguments: Mapping[str, Any], size: Mapping[str, int]) -> Any:
    try:
        return make(weights=None, input_shape=_input_shape(make, arguments, size), **arguments)
    except (ValueError, TypeError) as error:
        raise ModelRefused(f"the architecture cannot be built: {error}") from error


def _input_shape(
    make: Callable[..., Any], arguments: Mapping[str, Any], size: Mapping[str, int]
) -> tuple[int, ...] | None:
    """Complete the size by the architecture's own, which only building it tells."""
    if not size:
        return None
    own = {"channels": 3}
    if not {"height", "width"} <= size.keys():
        _, own["height"], own["width"], _ = make(weights=None, **arguments).input_shape
    whole = own | dict(size)
    return whole["height"], whole["width"], whole["channels"]


def _as_found(
    model: Any, found: Shapes, arguments: Mapping[str, Any], size: Mapping[str, int]
) -> tuple[dict[str, Any], dict[str, int]]:
    """Read classes and channels out of the shapes that only the file has."""
    extra = found - _shapes_of(model)
    told: dict[str, Any] = {}
    biases = {shape[0] for shape in extra if len(shape) == 1 and shape[0] > 1}
    if len(biases) == 1:
        told["classes"] = biases.pop()
    is_grey = any(len(shape) == 4 and shape[2] == 1 and shape[3] > 1 for shape in extra)
    channels = {"channels": 1} if is_grey else {}
    return {**told, **arguments}, {**channels, **size}


def _check(path: Path, name: str, arguments: Mapping[str, Any], model: Any, found: Shapes) -> None:
    expected = _shapes_of(model)
    if found == expected:
        return
    said = "".join(f", {key} {value}" for key, value in arguments.items())
    raise ModelRefused(
        f"{path.name} holds {_shown(found - expected)} where {name}{said}, input"
        f" {model.input_shape}, has {_shown(expected - found)};"
        " expected weights of the architecture that model.yaml names"
    )


def _shapes_of(model: Any) -> Shapes:
    return Counter(tuple(weight.shape) for weight in model.weights)


def _shapes_in(path: Path) -> Shapes:
    import h5py

    shapes: Shapes = Counter()

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not any(part in name for part in _NO_WEIGHTS):
            shapes[tuple(item.shape)] += 1

    try:
        with h5py.File(path) as file:
            file.visititems(look)
    except OSError as error:
        raise ModelRefused(f"{path.name} is no HDF5 file: {error}") from error
    return shapes


def _shown(shapes: Shapes) -> str:
    listed = [str(shape) for shape in shapes]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return "weights " + (", ".join(listed[:_SHOWN]) or "none") + more
