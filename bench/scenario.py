"""What a scenario is given and what it hands back: figures beside what is allowed, and the rest.

A scenario is a module `bench/scenarios/pNN_name.py` with GOAL, a docstring whose first line is the
promise, and `run(context) -> Outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One row of a goal's table.

    Attributes:
        goal: "P2".
        what: "CPU of all processes / RAW, float32".
        measured: None when it could not be measured; the note says why.
        unit: "", "ms", "images/s", "MB".
        allowed: ">= 0.93", or "reported".
        held: None when it is reported and not judged.
        spread: the smallest and the largest of the rounds.
    """

    goal: str
    what: str
    measured: float | None
    unit: str
    allowed: str
    held: bool | None
    spread: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a scenario found.

    Attributes:
        details: goes to results.json whole.
        tables: Markdown, shown below the figures.
        plots: names of SVG files that were written to the context's folder.
    """

    figures: list[Figure]
    details: dict[str, Any]
    tables: list[str]
    plots: list[str]


@dataclass(frozen=True)
class Context:
    """What a scenario needs to know of the run.

    Attributes:
        folder: where plots are written.
        full: the figures as promised; else the short form.
        model_dir: the float32 model; None: the demonstration model.
        int8_dir: the same model in int8; None: there is none.
        scratch: a folder of this scenario's own, removed after it.
        plant: the step that is to be slower than it is, in a test of the bench itself.
    """

    folder: Path
    full: bool
    model_dir: Path | None
    int8_dir: Path | None
    scratch: Path
    plant: str = ""
