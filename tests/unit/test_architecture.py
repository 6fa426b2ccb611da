"""What the map of the repository and the table of changes name is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAP = ROOT / "docs" / "architecture.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
CODE = ("pipeline", "functions", "consumers", "template", "local", "models", "imagectl")

_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")
_NAMED = re.compile(r"`([^`\n]+)`")
_DEFINED = re.compile(r"[A-Za-z_]+\.[a-z_]+")
# A name without a slash is a file's when it ends so.
_ENDS = (".conf", ".js", ".lock", ".md", ".py", ".sh", ".toml", ".yml", "Makefile")
# What a name stands for that is still to be chosen, as in `rNN_NAME.py`.
_ANY = re.compile("NN+|NAME")


def _paths(text: str) -> Iterator[str]:
    """Find the files and folders that a page names."""
    for name in _NAMED.findall(text):
        if _PATH.fullmatch(name) and ("/" in name or name.endswith(_ENDS)):
            yield name


def _is_there(name: str, folder: Path) -> bool:
    return any(folder.glob(_ANY.sub("*", name.rstrip("/"))))


def _missing(text: str) -> list[str]:
    """Find what is not there; a bare file name is in the folder of the last path before it."""
    missing, folder = [], ROOT
    for name in _paths(text):
        if _is_there(name, ROOT):
            path = ROOT / name
            folder = (path if name.endswith("/") else path.parent) if "/" in name else folder
        elif not _is_there(name, folder):
            missing.append(name)
    return missing


def _changes() -> list[str]:
    """Take the rows of the table of changes; each begins anew to name folders."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    section = text.partition("\n## Where to change what\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| ")][1:]


def _definitions() -> Iterator[str]:
    """Name every function by its module, every method and property by its class."""
    for file in (file for room in CODE for file in (ROOT / room).rglob("*.py")):
        module = ast.parse(file.read_text(encoding="utf-8"))
        scopes = {file.stem: module.body}
        scopes |= {it.name: it.body for it in module.body if isinstance(it, ast.ClassDef)}
        for scope, body in scopes.items():
            functions = (
                it for it in body if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef)
            )
            yield from (f"{scope}.{it.name}" for it in functions)


def test_the_files_that_the_map_names_are_there() -> None:
    assert _missing(MAP.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("row", _changes(), ids=lambda row: row.split(" | ")[0].strip("| "))
def test_the_files_that_a_change_touches_are_there(row: str) -> None:
    assert list(_paths(row))
    assert _missing(row) == []


def test_the_functions_that_the_map_names_are_defined() -> None:
    named = {
        name
        for name in _NAMED.findall(MAP.read_text(encoding="utf-8"))
        if _DEFINED.fullmatch(name) and not name.endswith(_ENDS)
    }

    assert named
    assert named - set(_definitions()) == set()


def test_the_map_names_every_room() -> None:
    rooms = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}

    assert {*rooms, *CODE} <= {
        name.partition("/")[0] for name in _paths(MAP.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`pipeline/ids.py`, `settings.py`", []),
        ("`pipeline/gone.py` and `settings.py`", ["pipeline/gone.py", "settings.py"]),
        ("`local/provider/replicas/`: `keeper.py`, `ids.py`", ["ids.py"]),
        ("`tests/chaos/rNN_NAME.py`, `tests/none/rNN_NAME.py`", ["tests/none/rNN_NAME.py"]),
        ("`/api/v1/images`, `failures/{tenant}`, `AUTOSCALE=0`, `pipeline`", []),
    ],
)
def test_what_is_not_there_is_found(text: str, expected: list[str]) -> None:
    assert _missing(text) == expected
