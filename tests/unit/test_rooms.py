"""The house's rules: who may import whom, how long a file may be, how it begins."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 250
OURS = {"pipeline", "local", "models", "imagectl", "functions", "consumers", "tests", "bench"}


def _files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    return [ROOT / name for name in listed if (ROOT / name).exists()]


FILES = _files()


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@functools.cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def _in(room: str) -> list[Path]:
    return [file for file in FILES if file.is_relative_to(ROOT / room)]


@functools.cache
def _roots(file: Path) -> frozenset[str]:
    return frozenset({name.partition(".")[0] for name in _imports(file)})


def _siblings(file: Path) -> set[str]:
    return {each.stem for each in file.parent.glob("*.py")}


def _third_party_or_sibling(file: Path, allowed: set[str]) -> set[str]:
    """What a deployable imports that is neither its own, nor allowed, nor installed."""
    others = {each.stem for each in _in("functions") + _in("consumers")} - _siblings(file)
    return {
        name
        for name in _roots(file)
        if (name in OURS | others) and name not in allowed | set(sys.stdlib_module_names)
    }


@pytest.mark.parametrize("file", _in("pipeline"), ids=_name)
def test_pipeline_imports_no_function_consumer_or_local_part(file: Path) -> None:
    assert _third_party_or_sibling(file, {"pipeline"}) == set()


@pytest.mark.parametrize("file", _in("functions") + _in("consumers"), ids=_name)
def test_a_function_imports_its_siblings_and_pipeline_alone(file: Path) -> None:
    assert _third_party_or_sibling(file, {"pipeline"}) == set()


@pytest.mark.parametrize("file", _in("local"), ids=_name)
def test_local_knows_neither_pipeline_nor_functions(file: Path) -> None:
    assert not _roots(file) & (OURS - {"local"})


@pytest.mark.parametrize("file", _in("models"), ids=_name)
def test_models_imports_pipeline_alone(file: Path) -> None:
    assert not _roots(file) & (OURS - {"models", "pipeline"})


@pytest.mark.parametrize("file", _in("imagectl"), ids=_name)
def test_imagectl_imports_pipeline_and_models_alone(file: Path) -> None:
    assert not _roots(file) & (OURS - {"imagectl", "models", "pipeline"})


@pytest.mark.parametrize("file", _in("functions"), ids=_name)
def test_functions_know_neither_flask_nor_tensorflow(file: Path) -> None:
    assert not _roots(file) & {"flask", "waitress", "tensorflow", "keras"}


@pytest.mark.parametrize("file", _in("functions") + _in("pipeline"), ids=_name)
def test_tensors_live_in_the_classifier(file: Path) -> None:
    if file.parent.name != "image-classifier":
        assert not _roots(file) & {"numpy", "ai_edge_litert"}


@pytest.mark.parametrize("file", FILES, ids=_name)
def test_a_file_is_short_and_says_what_it_knows(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if not text:
        return
    docstring = ast.get_docstring(_tree(file))

    assert len(text.splitlines()) <= LONGEST
    assert docstring


@pytest.mark.parametrize("name", ["utils.py", "helpers.py", "common.py", "base.py"])
def test_no_file_is_a_drawer(name: str) -> None:
    assert [file for file in FILES if file.name == name] == []
