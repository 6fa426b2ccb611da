"""Kill points end a process once, where they are armed, and are all in the code."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

from pipeline.hooks import crashes
from pipeline.kafka import topics

ROOT = Path(__file__).parents[2]


def _pass(point: str, folder: str, topic: str = "") -> int:
    """Come past a point in a process of its own; return how that ended."""
    passing = f"crashes.configure({folder!r}); crashes.point({point!r}, {topic!r})"
    code = f"from pipeline.hooks import crashes; {passing}"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode


def test_an_armed_point_kills_once(tmp_path: Path) -> None:
    (tmp_path / "upload.read").touch()

    ended = [_pass("upload.read", str(tmp_path)) for _ in range(2)]

    assert ended == [-signal.SIGKILL, 0]


def test_a_point_kills_as_often_as_it_is_armed(tmp_path: Path) -> None:
    (tmp_path / "upload.read").write_text("3")

    ended = [_pass("upload.read", str(tmp_path)) for _ in range(4)]

    assert ended == [-signal.SIGKILL] * 3 + [0]


def test_a_point_that_is_not_armed_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "upload.stored").touch()

    assert _pass("upload.read", str(tmp_path)) == 0
    assert _pass("upload.stored", "") == 0


def test_a_point_is_armed_for_the_events_of_one_topic(tmp_path: Path) -> None:
    (tmp_path / "image-uploads.produced").touch()

    ended = [
        _pass("produced", str(tmp_path), topic) for topic in ("image-results", "image-uploads")
    ]

    assert ended == [0, -signal.SIGKILL]


def test_every_point_is_in_the_code_once() -> None:
    rooms = [ROOT / "pipeline", ROOT / "functions", ROOT / "consumers"]
    files = [file for room in rooms for file in room.rglob("*.py")]
    text = "".join(file.read_text(encoding="utf-8") for file in files)

    named = re.findall(r'crashes\.point\("([a-z.-]+)"\)', text)
    of_a_topic = re.findall(r'crashes\.point\("([a-z.-]+)", (?:event\.)?topic\)', text)

    parts = [point.partition(".") for point in crashes.POINTS]
    has_topic = [each for each in parts if each[0] in {topic.name for topic in topics.TOPICS}]
    assert sorted(named) == sorted("".join(each) for each in parts if each not in has_topic)
    assert sorted(of_a_topic) == sorted(name for _, _, name in has_topic)
