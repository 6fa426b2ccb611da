"""How the model's tensors store numbers, and how its scores become labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from litert import Tensor, load
from pipeline.errors import ModelRefused


def detail(dtype: DTypeLike, scale: float = 0.0, zero_point: int = 0) -> dict[str, Any]:
    """Describe a tensor as LiteRT does."""
    return {
        "index": 3,
        "shape": np.array([1, 4]),
        "dtype": dtype,
        "quantization": (scale, zero_point),
    }


def test_float_tensor_takes_values_as_they_are() -> None:
    tensor = Tensor.only([detail(np.float32)], "input")
    values = np.array([-1, 0, 0.25, 1], np.float32)

    assert tensor.quantised(values) is values
    assert tensor.dequantised(values) is values


def test_quantised_tensor_rounds_and_clips_to_its_range() -> None:
    tensor = Tensor.only([detail(np.int8, 0.5, 10)], "input")
    values = np.array([-100, 0.26, 1, 100], np.float32)

    stored = tensor.quantised(values)

    assert stored.dtype == np.int8
    assert stored.tolist() == [-128, 11, 12, 127]
    assert tensor.dequantised(stored).tolist() == [-69, 0.5, 1, 58.5]


def test_quantised_tensor_leaves_the_callers_array_alone() -> None:
    values = np.array([-1, 0, 0.25, 1], np.float32)

    Tensor.only([detail(np.uint8, 1 / 127.5, 127)], "input").quantised(values)

    assert values.tolist() == [-1, 0, 0.25, 1]


def test_integer_tensor_without_a_scale_stores_plain_values() -> None:
    tensor = Tensor.only([detail(np.uint8)], "input")

    assert tensor.quantised(np.array([0, 127.4, 255], np.float32)).tolist() == [0, 127, 255]


def test_two_inputs_and_other_types_are_refused() -> None:
    with pytest.raises(ModelRefused, match="has 2 inputs; expected 1"):
        Tensor.only([detail(np.float32)] * 2, "input")
    with pytest.raises(ModelRefused, match="output is int64; expected float32, uint8 or int8"):
        Tensor.only([detail(np.int64)], "output")


def test_bytes_that_are_no_model_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelRefused, match="LiteRT cannot load the model"):
        load(b"no flatbuffer at all")

    assert capfd.readouterr().err == ""
