"""The lines of a function's requirements.txt: which there may be, and what each asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from local.provider.refusal import Refused

FILE = "requirements.txt"
HANDLER_FOLDER = "function"  # where a template names no other
MAX_FILE_BYTES = 64 * 1024
MAX_LINES = 100  # of all files of a function together
ALLOWED = (
    "allowed are lines such as 'tea', 'tea>=1.2,<2' or 'tea[milk]==1.2; python_version >= \"3.9\"',"
    " each with --hash=sha256:… if you like; no other options, no URLs, no paths, no variables"
)
SHOWN_CHARACTERS = 80

_COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"\s--hash[= ](\S+)")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Line:
    """One package that is asked for; `hashes` are the SHA-256 of files that may be taken."""

    requirement: Requirement
    hashes: frozenset[str] = field(default_factory=frozenset)

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def text(self) -> str:
        return str(self.requirement)

    @property
    def applies(self) -> bool:
        """Whether its marker holds for this Python and machine."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate({"extra": ""})


def read(built: Path) -> list[Line]:
    """Read what template and handler ask for, in a folder of build/ or a copy of one.

    Raises:
        Refused: a line is none that may be, or there is too much of them.
    """
    lines = [line for path in _files(built) for line in _read(path, built)]
    if len(lines) > MAX_LINES:
        raise Refused(400, f"{FILE} has {len(lines)} lines in all; the limit is {MAX_LINES}")
    return [line for line in lines if line.applies]


def _files(built: Path) -> list[Path]:
    """The template's own file, then the handler's, as OpenFaaS' templates install them."""
    folders = (built, built / _handler_folder(built))
    return [folder / FILE for folder in folders if (folder / FILE).is_file()]


def _handler_folder(built: Path) -> str:
    try:
        template = yaml.safe_load((built / "template.yml").read_text(encoding="utf-8"))
        folder = str(template.get("handler_folder") or HANDLER_FOLDER)
        is_inside = (built / folder).resolve().is_relative_to(built.resolve())
        return folder if is_inside else HANDLER_FOLDER
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        return HANDLER_FOLDER


def _read(path: Path, built: Path) -> Iterator[Line]:
    where = path.relative_to(built)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(400, f"{where} cannot be read: {error}; it must be UTF-8") from error
    if len(raw) > MAX_FILE_BYTES:
        raise Refused(400, f"{where} is larger than the limit, {MAX_FILE_BYTES} bytes")
    for number, line in _joined(text):
        if content := _COMMENT.sub("", line).strip():
            yield _parse(content, f"{where} line {number}")


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, those that end in a backslash joined to the next."""
    begun, first = "", 1
    for number, line in enumerate(text.splitlines(), start=1):
        first = first if begun else number
        if line.endswith("\\"):
            begun += line[:-1] + " "
            continue
        yield first, begun + line
        begun = ""
    if begun:
        yield first, begun


def _parse(content: str, where: str) -> Line:
    bare = _HASH.sub("", content).strip()
    try:
        requirement = Requirement(bare)
    except InvalidRequirement as error:
        raise _refused(where, content) from error
    digests = [_DIGEST.fullmatch(given) for given in _HASH.findall(content)]
    if requirement.url or "${" in content or None in digests:
        raise _refused(where, content)
    return Line(requirement, frozenset(found[1] for found in digests if found))


def _refused(where: str, content: str) -> Refused:
    return Refused(400, f"{where}: found {content[:SHOWN_CHARACTERS]!r}; {ALLOWED}")
