"""Functions are built from template, handler and shared folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.shrinkwrap import copy, shrinkwrap
from local.stack_file import StackFileError, load

STACK = """
configuration: {{copy: [{copy}]}}
functions:
  greet: {{lang: mini, handler: ./functions/greet, image: "greet:latest"}}
"""
FILES = {
    "template/mini/template.yml": "language: mini\nfprocess: python index.py\n",
    "template/mini/index.py": "template",
    "template/mini/function/handler.py": "placeholder",
    "template/mini/function/requirements.txt": "placeholder",
    "functions/greet/handler.py": "handler",
    "functions/greet/build/old.txt": "left out",
    "shared/part/module.py": "shared",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def stack_file(root: Path, copy: str = "shared") -> Path:
    path = root / "stack.yml"
    path.write_text(STACK.format(copy=copy))
    return path


def test_handler_and_shared_folder_lie_over_the_template(root: Path) -> None:
    (built,) = shrinkwrap(load(stack_file(root)), root / "build")

    assert {str(p.relative_to(built)): p.read_text() for p in built.rglob("*") if p.is_file()} == {
        "template.yml": FILES["template/mini/template.yml"],
        "index.py": "template",
        "function/handler.py": "handler",
        "function/requirements.txt": "placeholder",
        "function/shared/part/module.py": "shared",
    }


def test_file_that_is_gone_from_the_handler_is_gone_from_the_next_build(root: Path) -> None:
    stack = load(stack_file(root))
    extra = root / "functions/greet/extra.py"
    extra.write_text("")
    shrinkwrap(stack, root / "build")
    extra.unlink()

    (built,) = shrinkwrap(stack, root / "build")

    assert not (built / "function/extra.py").exists()


def test_file_that_goes_while_it_is_copied_is_left_out(root: Path) -> None:
    copy(root / "renamed since it was listed", root / "target")

    assert not (root / "target").exists()


def test_link_to_nothing_is_a_mistake(root: Path) -> None:
    (root / "functions/greet/link").symlink_to("nothing")

    with pytest.raises(FileNotFoundError, match="link"):
        shrinkwrap(load(stack_file(root)), root / "build")


@pytest.mark.parametrize("shared", ["../outside", ".", "absent"])
def test_shared_path_outside_of_the_project_is_refused(root: Path, shared: str) -> None:
    with pytest.raises(StackFileError, match=r"configuration\.copy"):
        shrinkwrap(load(stack_file(root, shared)), root / "build")


def test_missing_handler_folder_is_named(root: Path) -> None:
    stack = load(stack_file(root))
    (root / "functions").rename(root / "elsewhere")

    with pytest.raises(StackFileError, match="function greet: no handler folder"):
        shrinkwrap(stack, root / "build")
