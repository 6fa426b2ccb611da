"""How TensorFlow is run: in a process of its own, with progress said on stderr."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from pipeline.errors import ModelRefused

_ROOT = Path(__file__).resolve().parent.parent
_SECONDS_BETWEEN_SIGNS = 5
_LINES_SHOWN = 15

# TensorFlow's own chatter; its errors still come through.
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}


def say(text: str) -> None:
    """Tell the person at the terminal; stdout is kept for the result."""
    print(text, file=sys.stderr, flush=True)


def run(doing: str, module: str, *arguments: str, **environment: str) -> None:
    """Run one of our modules in a process that may import TensorFlow.

    Args:
        doing: what is said every few seconds, e.g. `converting cat.keras`.

    Raises:
        ModelRefused: TensorFlow is not installed, or the module failed; with its reason.
    """
    if find_spec("tensorflow") is None:
        raise ModelRefused(
            f"{doing} needs TensorFlow, which is not installed:"
            " install tensorflow-cpu, or give a .tflite file"
        )
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=_ROOT,
        env=os.environ | _QUIET | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    output = _wait(process, doing)
    if process.returncode != 0:
        raise ModelRefused(f"{doing} failed (exit status {process.returncode}): {_reason(output)}")


def versions() -> dict[str, str]:
    """Tell the versions that decide what a conversion gives, importing nothing."""
    found = {}
    for package in ("tensorflow-cpu", "tensorflow", "keras"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _wait(process: subprocess.Popen[str], doing: str) -> str:
    started = time.monotonic()
    say(f"{doing} …")
    try:
        while True:
            try:
                return process.communicate(timeout=_SECONDS_BETWEEN_SIGNS)[0]
            except subprocess.TimeoutExpired:
                say(f"{doing} … {time.monotonic() - started:.0f} s")
    finally:
        # Reached alive only when we are interrupted: nothing is left behind.
        if process.poll() is None:
            process.kill()
            process.wait()


def _reason(output: str) -> str:
    """Take the end of the output: of a traceback only the error, which is not indented."""
    lines = output.rstrip().splitlines()
    indented = [number for number, line in enumerate(lines) if line.startswith(" ")]
    start = indented[-1] + 1 if indented else 0
    return "\n".join((lines[start:] or lines)[-_LINES_SHOWN:])
