"""What a Dockerfile says of its image is read as Docker reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.provider.deployments.recipe import MAX_BYTES, Recipe, read


def made(folder: Path, text: str) -> Recipe:
    (folder / "Dockerfile").write_text(text)
    return read(folder / "Dockerfile")


def test_last_stage_counts_with_what_it_is_made_of(tmp_path: Path) -> None:
    recipe = made(
        tmp_path,
        """
        # syntax=docker/dockerfile:1
        ARG VERSION=0.9
        FROM --platform=linux/amd64 example/of-watchdog:${VERSION} as watchdog
        FROM python:3 AS build
        COPY --from=watchdog /fwatchdog /usr/bin/
        ENV fprocess="python index.py" MODE=x
        WORKDIR /home/app
        FROM build AS test
        ENV MODE=tested
        CMD ["pytest"]
        FROM build
        WORKDIR function
        EXPOSE 5000/tcp 8082
        CMD ["fwatchdog"]
        """,
    )

    assert recipe.bases == ("python:3", "example/of-watchdog:0.9")
    assert recipe.env == {"fprocess": "python index.py", "MODE": "x"}
    assert (recipe.command, recipe.ports) == (("fwatchdog",), (5000, 8082))
    assert recipe.folder == "/home/app/function"


@pytest.mark.parametrize(
    ("text", "env"),
    [
        ("ENV a 1 2", {"a": "1 2"}),
        ("ENV a=1 \\\n  # between\n  b='2 3' c=4\\ 5", {"a": "1", "b": "2 3", "c": "4 5"}),
        ("ARG x=7\nENV a=$x b=${x:-8} c=${y:-8} d=${x:+9}", dict(a="7", b="7", c="8", d="9")),
        ("ENV a=1\nENV b=${a}0 c=\\$a", {"a": "1", "b": "10", "c": "$a"}),
        ("env a=1", {"a": "1"}),
        ("RUN <<EOF\nENV a=1\nEOF\nENV b=2", {"b": "2"}),
        ("RUN echo ENV a=1", {}),
        ("", {}),
    ],
)
def test_environment_is_read_in_every_way_of_writing(
    tmp_path: Path, text: str, env: dict[str, str]
) -> None:
    assert made(tmp_path, f"FROM scratch\n{text}\n").env == env


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('CMD ["a", "b c"]', ("a", "b c")),
        ("CMD a b", ("/bin/sh", "-c", "a b")),
        ('ENTRYPOINT ["a"]\nCMD ["b"]', ("a", "b")),
        ('CMD ["b"]\nENTRYPOINT ["a"]', ("a",)),
        ('CMD ["a", 1]', ("/bin/sh", "-c", '["a", 1]')),
        ("", ()),
    ],
)
def test_command_is_read_in_both_forms(tmp_path: Path, text: str, command: tuple[str, ...]) -> None:
    assert made(tmp_path, f"FROM scratch\n{text}\n").command == command


@pytest.mark.parametrize("text", ['ENV a="1', "x" * (MAX_BYTES + 1)])
def test_what_cannot_be_read_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|is larger than"):
        made(tmp_path, f"FROM scratch\n{text}\n")
