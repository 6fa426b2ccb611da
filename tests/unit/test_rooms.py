"""The house's rules: who may import whom, how long a file may be, how it begins."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
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


def _imported(files: list[Path], forbidden: Callable[[Path], set[str]]) -> dict[str, set[str]]:
    """What files import of what they must not, by file."""
    found = {_name(file): set(_roots(file)) & forbidden(file) for file in files}
    return {name: wrong for name, wrong in found.items() if wrong}


def _not_its_own(file: Path) -> set[str]:
    """What a deployable must not import: our other rooms, and other deployables' modules."""
    others = {each.stem for each in _in("functions") + _in("consumers")} - _siblings(file)
    return (OURS | others) - {"pipeline"} - set(sys.stdlib_module_names)


def test_pipeline_imports_no_function_consumer_or_local_part() -> None:
    assert _imported(_in("pipeline"), _not_its_own) == {}


def test_a_function_imports_its_siblings_and_pipeline_alone() -> None:
    assert _imported(_in("functions") + _in("consumers"), _not_its_own) == {}


def test_local_knows_neither_pipeline_nor_functions() -> None:
    assert _imported(_in("local"), lambda _: OURS - {"local"}) == {}


def test_models_imports_pipeline_alone() -> None:
    assert _imported(_in("models"), lambda _: OURS - {"models", "pipeline"}) == {}


def test_imagectl_imports_pipeline_and_models_alone() -> None:
    assert _imported(_in("imagectl"), lambda _: OURS - {"imagectl", "models", "pipeline"}) == {}


def test_the_template_knows_none_of_our_rooms() -> None:
    assert _imported(_in("template"), lambda _: OURS) == {}


def test_functions_know_neither_flask_nor_tensorflow() -> None:
    web_and_training = {"flask", "waitress", "tensorflow", "keras"}

    assert _imported(_in("functions"), lambda _: web_and_training) == {}


def test_tensors_live_in_the_classifier() -> None:
    others = [
        file
        for file in _in("functions") + _in("pipeline")
        if file.parent.name != "image-classifier"
    ]

    assert _imported(others, lambda _: {"numpy", "ai_edge_litert"}) == {}


def test_every_file_is_short() -> None:
    lines = {_name(file): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}

    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


def test_every_file_says_what_it_knows() -> None:
    written = [file for file in FILES if file.stat().st_size]

    assert [_name(file) for file in written if not ast.get_docstring(_tree(file))] == []


def test_the_rooms_are_looked_into() -> None:
    assert all(_in(room) for room in OURS | {"template"})


def test_a_wrong_import_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import local.services\nfrom handler import ready\nimport json\n")

    assert set(_roots(wrong)) & _not_its_own(wrong) == {"local", "handler"}


@pytest.mark.parametrize("name", ["utils.py", "helpers.py", "common.py", "base.py"])
def test_no_file_is_a_drawer(name: str) -> None:
    assert [file for file in FILES if file.name == name] == []
