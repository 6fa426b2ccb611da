"""A new replica answers its first image long before a plain TensorFlow process does.

From asking OpenFaaS for a second replica to that replica's own first answer with labels ÷ from
starting a process that imports TensorFlow, loads the Keras model and predicts the same photo to its
answer. In turn, on an idle stack.
"""

from __future__ import annotations

import http.client
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench import rounds
from bench.checks import BenchFailed
from bench.comparison import plain_tensorflow
from bench.measuring.warm import Warm, warm_stack
from bench.reporting import judged
from bench.reporting.figures import ratios
from bench.scenario import Context, Outcome
from bench.stacks.functions import CLASSIFIER, Functions, classifier_token, until

GOAL = "P10"

_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.01


def run(context: Context) -> Outcome:
    """Start one of each in every round."""
    with warm_stack(context.model_dir) as warm:
        functions = Functions(warm.stack)
        arms = {
            "replica": lambda: _replica(warm, functions),
            "tensorflow": lambda: _tensorflow(warm, context.model_dir),
        }
        found = rounds.shuffled(arms, 5 if context.full else 1)
    share = ratios(found["replica"], found["tensorflow"])
    figures = [
        judged.at_most(GOAL, "start → first result / plain TensorFlow process", share, 0.25),
        judged.reported(GOAL, "replica", found["replica"], "s"),
        judged.reported(GOAL, "plain TensorFlow process", found["tensorflow"], "s"),
    ]
    return Outcome(figures, {"rounds": found}, [], [])


def _replica(warm: Warm, functions: Functions) -> float:
    before = _run_files(warm)
    began = time.monotonic()
    functions.ask(CLASSIFIER, 2)
    until(lambda: bool(_run_files(warm) - before), "a new replica", _PATIENCE_SECONDS)
    port = json.loads((_run_files(warm) - before).pop().read_text())["ports"]["http"]
    labels = _first_answer(warm, port)
    seconds = time.monotonic() - began
    if labels != warm.labels:
        raise BenchFailed(f"the first answer of a replica is {labels}; expected {warm.labels}")
    functions.scale(CLASSIFIER, 2)  # ready in the provider's eyes too, before it goes
    functions.scale(CLASSIFIER, 1)
    return seconds


def _run_files(warm: Warm) -> set[Path]:
    return set(warm.stack.run_dir.glob(f"{CLASSIFIER}-*.json"))


def _first_answer(warm: Warm, port: int) -> Any:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    headers = {
        **classifier_token(warm.stack.settings),
        "Content-Type": "image/jpeg",
    }
    while time.monotonic() < deadline:
        with suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
            connection.request("POST", "/", warm.photo.data, headers)
            response = connection.getresponse()
            if response.status == http.client.OK:
                return json.load(response)["labels"]
        time.sleep(_POLL_SECONDS)
    raise BenchFailed(f"the new replica gave no answer in {_PATIENCE_SECONDS:g} s")


def _tensorflow(warm: Warm, model_dir: Path | None) -> float:
    found = plain_tensorflow.start(model_dir)
    if found.label != warm.labels[0]["label"]:
        raise BenchFailed(f"TensorFlow says {found.label}; expected {warm.labels[0]['label']}")
    return found.seconds
