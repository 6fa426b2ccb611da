"""What stack.yml says: the functions to build and deploy, read as faas-cli reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.substitution import substitute

HANDLER_FOLDER = "function"


class StackFileError(Exception):
    """The stack file, or something that it names, is not as it must be."""


@dataclass(frozen=True)
class Function:
    name: str
    lang: str
    handler: str
    image: str
    skip_build: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StackFile:
    """The functions of one stack file, and the folders copied into each of them."""

    root: Path
    functions: list[Function]
    copy: list[str]


@dataclass(frozen=True)
class Template:
    fprocess: str
    handler_folder: str


class _TextLoader(yaml.SafeLoader):
    """Reads every scalar as text, as Go reads it into a map of strings: `true` and `8` too."""

    yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}  # noqa: RUF012


def load(path: Path, env: Mapping[str, str] = os.environ) -> StackFile:
    """Read a stack file; raise StackFileError naming what is wrong with it."""
    try:
        text = path.read_text()
        document = yaml.load(substitute(text, env), _TextLoader)
        functions = [
            _function(name, fields) for name, fields in (document.get("functions") or {}).items()
        ]
        copy = (document.get("configuration") or {}).get("copy") or []
    except (
        OSError,
        yaml.YAMLError,
        StackFileError,
        AttributeError,
        TypeError,
        ValueError,
    ) as error:
        raise StackFileError(f"{path}: {error}") from error
    if not functions:
        raise StackFileError(f"{path}: names no function")
    return StackFile(path.resolve().parent, functions, copy)


def _function(name: str, fields: dict[str, Any]) -> Function:
    missing = [key for key in ("lang", "handler", "image") if not fields.get(key)]
    if missing:
        raise StackFileError(f"function {name} has no {', '.join(missing)}")
    known = {key: fields[key] for key in Function.__dataclass_fields__ if fields.get(key)}
    known["skip_build"] = fields.get("skip_build") == "true"
    return Function(**{**known, "name": name})


def template_of(stack: StackFile, function: Function) -> Template:
    """Read the template.yml of a function's language."""
    path = stack.root / "template" / function.lang / "template.yml"
    try:
        document = yaml.load(path.read_text(), _TextLoader)
    except OSError as error:
        raise StackFileError(f"function {function.name}: no template {path}") from error
    return Template(
        fprocess=document.get("fprocess", ""),
        handler_folder=document.get("handler_folder") or HANDLER_FOLDER,
    )
