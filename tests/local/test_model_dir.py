"""`make up MODEL_DIR=…`: which model is served, and which one after the next start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import pictures
from tests.imagectl import added, current, use
from tests.local_stack import LocalStack, running_stack
from tests.sending import accepted

# Models are made and converted by TensorFlow, which takes most of it.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, made_models: Path) -> Iterator[LocalStack]:
    """A stack of its own, which begins with a model of its own."""
    folder = tmp_path_factory.mktemp("model-dir")
    with running_stack(folder, model_dir=made_models / "saved") as running:
        yield running


def model_of_an_answer(stack: LocalStack) -> str:
    job = accepted(stack, pictures.fresh("which model"))
    state: Any = stack.finished(job["jobId"])
    return str(state["result"]["modelId"])


def test_another_model_is_served_after_make_up_names_it(
    stack: LocalStack, made_models: Path
) -> None:
    before = current(stack)
    assert model_of_an_answer(stack) == before

    switched = stack.command("up", "--model-dir", str(made_models / "grey"))

    assert switched.returncode == 0, switched.stdout + switched.stderr
    assert current(stack) != before
    assert model_of_an_answer(stack) == current(stack)


def test_the_model_is_remembered(stack: LocalStack) -> None:
    again = stack.command("up")

    assert again.returncode == 0
    assert "running already" in again.stdout
    assert current(stack) in again.stdout


def test_make_up_serves_on_what_was_chosen(stack: LocalStack, made_models: Path) -> None:
    chosen = added(stack, made_models / "logits")
    use(stack, chosen)
    stack.command("down")

    again = stack.command("up")

    assert again.returncode == 0, again.stderr
    assert current(stack) == chosen
    assert chosen in again.stdout
