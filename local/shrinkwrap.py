"""Makes the folders build/<function>, as `faas-cli build --shrinkwrap` makes them.

`python -m local.shrinkwrap [FOLDER]` does it without faas-cli; FOLDER is build when not given.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from local.stack_file import Function, StackFile, StackFileError, load, template_of

SKIPPED = {"build", "template"}  # folders at the top of a handler that faas-cli leaves out


def shrinkwrap(stack: StackFile, build_folder: Path) -> list[Path]:
    """Make every function's folder anew; return them in the order of the stack file."""
    return [
        shrinkwrap_function(stack, function, build_folder)
        for function in stack.functions
        if not function.skip_build
    ]


def shrinkwrap_function(stack: StackFile, function: Function, build_folder: Path) -> Path:
    """Copy the template, over it the handler's folder, over it the shared paths."""
    template = template_of(stack, function)
    handler = stack.root / function.handler
    if not handler.is_dir():
        raise StackFileError(f"function {function.name}: no handler folder {handler}")
    target = build_folder / function.name
    if target.exists():
        shutil.rmtree(target)
    inner = target / template.handler_folder
    make_folders(inner)
    copy(stack.root / "template" / function.lang, target)
    for entry in handler.iterdir():
        if entry.name not in SKIPPED:
            copy(entry, inner / entry.name)
    for extra in stack.copy:
        copy(shared_path(stack, extra), inner / extra)
    return target


def shared_path(stack: StackFile, extra: str) -> Path:
    path = (stack.root / extra).resolve()
    if path == stack.root or not path.is_relative_to(stack.root):
        raise StackFileError(f"configuration.copy: {extra} is not a path inside {stack.root}")
    if not path.exists():
        raise StackFileError(f"configuration.copy: {extra} does not exist")
    return path


def make_folders(path: Path) -> None:
    """Make the folder and its parents with the mode that faas-cli gives them, another in CI."""
    mode = 0o777 if os.environ.get("CI") in ("true", "1") else 0o700
    for folder in (*reversed(path.parents), path):
        folder.mkdir(mode, exist_ok=True)


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder over what is there, with its mode; links are followed."""
    if not source.is_dir():
        try:
            shutil.copy(source, target)
        except FileNotFoundError:
            # Python renames what it compiles beside our sources, whoever imports them now.
            if os.path.lexists(source):
                raise
        return
    target.mkdir(source.stat().st_mode & 0o777, parents=True, exist_ok=True)
    for entry in source.iterdir():
        copy(entry, target / entry.name)


def main() -> int:
    try:
        for folder in shrinkwrap(load(Path("stack.yml")), Path(*sys.argv[1:2] or ["build"])):
            print(folder)
    except (StackFileError, OSError) as error:
        print(f"shrinkwrap: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
