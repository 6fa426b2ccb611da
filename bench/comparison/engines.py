"""Our engine and what it is compared with, each in the environment that has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.checks import BenchFailed
from bench.comparison import environment
from local.services.progress import run
from local.services.settings import ROOT, Stack
from models import bundle

OURS = "ours"
OTHERS = ("litert", "onnxruntime", "openvino")
REFERENCE = "keras"

_RUN = Path(__file__).parent / "engine_run.py"
_ELSEWHERE = ("onnxruntime", "openvino")
_OPSET = "17"


@dataclass(frozen=True)
class Prepared:
    """One model in every engine's form, in a folder of its own."""

    file: Path
    labels: tuple[str, ...]
    side: int


def prepare(model_dir: Path, folder: Path) -> Prepared:
    """Convert a model to LiteRT, as `make up` does, and from that to ONNX.

    Raises:
        StepFailed: it could not be converted.
    """
    made = bundle.prepare(model_dir, Stack.from_env(os.environ).cache_dir)
    folder.mkdir()
    for name, data in made.files.items():
        (folder / name).write_bytes(data)
    file = folder / "model.tflite"
    paths = ("--tflite", str(file), "--output", str(file.with_suffix(".onnx")))
    python = str(environment.python("engines"))
    command = [python, "-m", "tf2onnx.convert", *paths, "--opset", _OPSET]
    run(f"bench: converting {model_dir.name} to ONNX", command, folder=folder)
    labels = tuple(made.labels.decode().splitlines())
    return Prepared(file, labels, made.manifest.input.width)


def images_per_second(engine: str, file: Path, pictures: Path, count: int) -> float:
    """Time one engine on one core, in seconds of CPU."""
    return float(_ask("time", engine, file, pictures, count))


def best(engine: str, file: Path, pictures: Path, count: int) -> list[int]:
    """Ask one engine for the best class of each picture."""
    return list(_ask("best", engine, file, pictures, count))


def agreement(ones: Sequence[str], others: Sequence[str]) -> float:
    """Tell the share of equal labels, in percent."""
    return 100 * sum(one == other for one, other in zip(ones, others, strict=True)) / len(ones)


def _ask(what: str, engine: str, file: Path, pictures: Path, count: int) -> Any:
    python = environment.python("engines") if engine in _ELSEWHERE else Path(sys.executable)
    last_core = str(max(os.sched_getaffinity(0)))
    words = ("taskset", "-c", last_core, python, "-P", _RUN, what, engine, file, pictures, count)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "functions" / "image-classifier")])
    # The environment of its own has nothing of ours on its path.
    own = {} if engine in _ELSEWHERE else {"PYTHONPATH": paths}
    finished = subprocess.run(
        list(map(str, words)),
        env={**os.environ, **own},
        capture_output=True,
        text=True,
    )
    if finished.returncode:
        raise BenchFailed(f"{engine} ended with status {finished.returncode}: {finished.stderr}")
    return json.loads(finished.stdout.splitlines()[-1])
