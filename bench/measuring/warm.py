"""A stack that is warm, beside RAW on it and what its right answers are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load.drain import Drain
from bench.load.photos import Photo
from bench.measuring import raw
from bench.scenario import Context
from bench.stacks.stack import BenchStack, running_stack

_FIRST_RAW_IMAGES = 50


@dataclass(frozen=True)
class Warm:
    """A warm stack.

    Attributes:
        labels: what is expected of every answer.
        model: which model is served.
    """

    stack: BenchStack
    photo: Photo
    labels: list[dict[str, Any]]
    model: dict[str, Any]
    drain: Drain

    def raw(self, images: int, threads: int = 1, core: int | None = None) -> dict[str, Any]:
        """Measure RAW now."""
        return raw.measure(self.stack, images, threads, core)


@contextmanager
def warm_stack(model_dir: Path | None, **given: str) -> Iterator[Warm]:
    """Start a stack of one's own and warm it up.

    Raises:
        BenchFailed: RAW or the stack says something else of the photo than what it shows.
    """
    with running_stack(model_dir, **given) as stack:
        photo, found = Photo.load(), raw.measure(stack, _FIRST_RAW_IMAGES)
        raw.check_label(photo, found)
        drain = Drain(stack, photo, found["labels"])
        drain.warm_up()
        yield Warm(stack, photo, found["labels"], found["model"], drain)


def models(context: Context) -> dict[str, Path | None]:
    """Name what a figure is taken of: float32, and int8 where there is one."""
    float32 = {"float32" if context.model_dir else "demonstration": context.model_dir}
    return {**float32, **({"int8": context.int8_dir} if context.int8_dir else {})}
