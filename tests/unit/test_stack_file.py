"""stack.yml is read as faas-cli reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.stack_file import StackFileError, load, template_of
from pipeline.substitution import substitute

STACK = """
provider: {name: openfaas, gateway: "http://127.0.0.1:8080"}
configuration:
  copy: [shared]
functions:
  resize:
    lang: python3-pipeline
    handler: ./functions/resize
    image: resize:latest
    secrets: [a-key]
    labels: {com.openfaas.scale.min: 2}
    environment:
      SIZE: 224
      VERBOSE: true
      ADDRESS: ${ADDRESS:-127.0.0.1:9000}
      MODEL_ID: ${MODEL_ID}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "stack.yml"
    path.write_text(text)
    return path


def test_values_are_texts_and_the_environment_is_filled_in(tmp_path: Path) -> None:
    stack = load(write(tmp_path, STACK), {"ADDRESS": "minio:9000"})

    (function,) = stack.functions
    assert stack.root == tmp_path
    assert stack.copy == ["shared"]
    assert (function.name, function.secrets) == ("resize", ["a-key"])
    assert function.labels == {"com.openfaas.scale.min": "2"}
    assert function.environment == {
        "SIZE": "224",
        "VERBOSE": "true",
        "ADDRESS": "minio:9000",
        "MODEL_ID": "",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "value"),
        ("x${A}y${A}", "xvalueyvalue"),
        ("${MISSING}", ""),
        ("${MISSING:-a:b/c-d}", "a:b/c-d"),
        ("${MISSING=d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${A:-d}", "value"),
        ("$A", "$A"),
        ("$${A}", "${A}"),
        (r"a\\b\/c", r"a\b/c"),
    ],
)
def test_substitution_follows_envsubst(text: str, expected: str) -> None:
    assert substitute(text, {"A": "value", "EMPTY": ""}) == expected


@pytest.mark.parametrize("text", ["${A:-}", "${A-d}", "${A:-${B}}", "${A", "${}", "${A^^}"])
def test_substitution_that_faas_cli_or_we_do_not_know_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 2: bad substitution \$\{"):
        substitute(f"# a comment\n{text}", {"A": "value"})


def test_function_without_image_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "functions: {resize: {lang: x, handler: y}}")

    with pytest.raises(StackFileError, match="function resize has no image"):
        load(path, {})


@pytest.mark.parametrize("text", ["", "[]", "functions: []", "functions: {a", "functions: {a: 1}"])
def test_file_that_is_no_stack_is_an_error_and_no_crash(tmp_path: Path, text: str) -> None:
    with pytest.raises(StackFileError, match=r"stack\.yml"):
        load(write(tmp_path, text), {})


def test_missing_template_is_named(tmp_path: Path) -> None:
    stack = load(write(tmp_path, STACK), {})

    with pytest.raises(StackFileError, match="function resize: no template"):
        template_of(stack, stack.functions[0])
