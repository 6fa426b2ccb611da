"""What a Dockerfile says of the image that it makes: environment, command, ports, folder."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

MAX_BYTES = 256 * 1024
INSTRUCTION = re.compile(r"([A-Za-z]+)\s+(.*)", re.DOTALL)
HEREDOC = re.compile(r"<<-?\s*([\"']?)(\w+)\1")
DOLLAR = "\0"  # one that was written as such, among words
VARIABLE = re.compile(
    r"\\(?P<escaped>\$)|\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?::(?P<sign>[-+])(?P<other>[^}]*))?\})"
)
STAGE = re.compile(r"(?:--\S+\s+)*(?P<base>\S+)(?:\s+[Aa][Ss]\s+(?P<name>\S+))?")


@dataclass(frozen=True)
class Recipe:
    """One stage; `bases` are the images that it, and those that it copies from, are made of."""

    bases: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    folder: str = "/"

    @property
    def command(self) -> tuple[str, ...]:
        return self.entrypoint + self.cmd


def read(path: Path) -> Recipe:
    """Return what the last stage makes; raise OSError, or ValueError saying what is wrong."""
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES} bytes")
    stage, stages = Recipe(), dict[str, Recipe]()
    arguments: dict[str, str] = {}
    name = ""
    for instruction, rest in instructions(raw.decode(errors="replace")):
        if instruction == "FROM":
            match = STAGE.match(expand(rest, arguments))
            base, name = (match["base"], match["name"] or "") if match else (rest, "")
            stage = stages.get(base) or Recipe(bases=(base,))
        elif instruction == "ARG":
            key, _, value = rest.partition("=")
            arguments[key.strip()] = unquoted(expand(value.strip(), arguments))
        else:
            stage = step(stage, instruction, rest, arguments, stages)
        if name:
            stages[name] = stage
    return stage


def step(
    stage: Recipe,
    instruction: str,
    rest: str,
    arguments: Mapping[str, str],
    stages: Mapping[str, Recipe],
) -> Recipe:
    """Return a stage as one instruction leaves it; those that only make files leave it as it is."""
    known = {**arguments, **stage.env}
    match instruction:
        case "ENV":
            return replace(stage, env={**stage.env, **dict(assignments(rest, known))})
        case "WORKDIR":
            folder = unquoted(expand(rest, known))
            return replace(stage, folder=str(Path(stage.folder) / folder))
        case "EXPOSE":
            words = expand(rest, known).split()
            numbers = [int(word[1]) for text in words if (word := re.match(r"(\d{1,5})", text))]
            return replace(stage, ports=(*stage.ports, *numbers))
        case "CMD":
            return replace(stage, cmd=command(rest))
        case "ENTRYPOINT":
            return replace(stage, entrypoint=command(rest), cmd=())
        case "COPY" if copied := re.search(r"--from=(\S+)", rest):
            other = stages.get(copied[1]) or Recipe(bases=(copied[1],))
            return replace(stage, bases=(*stage.bases, *other.bases))
    return stage


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction in upper case and what follows it, lines that go on joined."""
    lines = iter(text.splitlines())
    for line in lines:
        whole = line.strip()
        if not whole or whole.startswith("#"):
            continue
        while whole.endswith("\\"):
            following = next(lines, "").strip()
            if not following.startswith("#"):
                whole = f"{whole[:-1].rstrip()} {following}"
        if match := INSTRUCTION.fullmatch(whole):
            instruction = match[1].upper()
            if instruction in ("RUN", "COPY", "ADD"):
                for _, mark in HEREDOC.findall(match[2]):
                    while next(lines, mark).strip() != mark:
                        pass
            yield instruction, match[2].strip()


def assignments(text: str, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what ENV sets: `A=1 B="2 3"`, or the old `A 1`."""
    if not re.match(r"\w+=", text):
        name, _, value = text.partition(" ")
        yield name, expand(value.strip(), known)
        return
    for word in split(text.replace("\\$", DOLLAR)):
        name, found, value = word.partition("=")
        if found:
            yield name, expand(value, known).replace(DOLLAR, "$")


def split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ValueError(f"ENV {text[:80]!r} cannot be read: {error}") from error


def expand(text: str, known: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        found = known.get(match["plain"] or match["name"], "")
        if match["sign"] == "-":
            return found or match["other"]
        return (match["other"] if found else "") if match["sign"] == "+" else found

    return VARIABLE.sub(value, text)


def unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if is_quoted else text


def command(text: str) -> tuple[str, ...]:
    """Return a command's words; a text that is no JSON is a shell's."""
    try:
        words = json.loads(text)
    except ValueError:
        return ("/bin/sh", "-c", text)
    is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return tuple(words) if is_list else ("/bin/sh", "-c", text)
