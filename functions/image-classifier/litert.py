"""LiteRT: how an interpreter is made, and how its tensors store numbers."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from pipeline.errors import ModelRefused

logger = logging.getLogger(__name__)

_STDERR = 2


def load(model: bytes) -> Interpreter:
    """Make an interpreter with one thread, ready to run.

    Raises:
        ModelRefused: LiteRT cannot read the bytes.
    """
    with _native_stderr_logged():
        try:
            interpreter = Interpreter(model_content=model, num_threads=1)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelRefused(f"LiteRT cannot load the model: {error}") from error
    return interpreter


class Tensor(NamedTuple):
    """An input or output of the interpreter.

    Attributes:
        scale, zero_point: real value = scale * (stored value - zero_point).
    """

    number: int
    shape: tuple[int, ...]
    dtype: type
    scale: float
    zero_point: int

    @classmethod
    def only(cls, details: list[dict[str, Any]], role: str) -> Tensor:
        """Read the details of a model's one input or output."""
        if len(details) != 1:
            raise ModelRefused(f"the model has {len(details)} {role}s; expected 1")
        detail = details[0]
        dtype = detail["dtype"]
        if dtype not in (np.float32, np.uint8, np.int8):
            raise ModelRefused(
                f"the model's {role} is {np.dtype(dtype)}; expected float32, uint8 or int8"
            )
        scale, zero_point = detail["quantization"]
        shape = tuple(int(side) for side in detail["shape"])
        # Scale 0 says that stored values are the real ones.
        return cls(detail["index"], shape, dtype, float(scale) or 1.0, int(zero_point))

    def quantised(self, array: NDArray[np.float32]) -> NDArray[Any]:
        """Bring real values to the stored type, clipped to its range."""
        if self.dtype is np.float32:
            return array
        limits = np.iinfo(self.dtype)
        stored = array / np.float32(self.scale)
        stored += self.zero_point
        np.rint(stored, out=stored)
        return np.clip(stored, limits.min, limits.max, out=stored).astype(self.dtype)

    def dequantised(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """Bring stored values to real ones."""
        if self.dtype is np.float32:
            return array
        return (array.astype(np.float32) - self.zero_point) * np.float32(self.scale)


@contextmanager
def _native_stderr_logged() -> Iterator[None]:
    """Turn what LiteRT's C++ code prints into log lines: it offers no way to be silent."""
    with tempfile.TemporaryFile() as said:
        saved = os.dup(_STDERR)
        os.dup2(said.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)
            said.seek(0)
            for line in said.read().decode(errors="replace").splitlines():
                logger.debug("litert", extra={"line": line})
