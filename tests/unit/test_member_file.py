"""A killed consumer's successor expels it from the group; one that lives or left is let be."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pipeline.consuming.member_file import MemberFile
from pipeline.errors import Unavailable


class Group:
    """Notes whom it is asked to expel."""

    def __init__(self, error: Exception | None = None) -> None:
        self.expelled: list[str] = []
        self.error = error
        self.asked = threading.Event()

    def expel(self, member_id: str) -> None:
        self.expelled.append(member_id)
        self.asked.set()
        if self.error:
            raise self.error


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "consumer.member"


def test_a_killed_predecessor_is_expelled(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    path.write_text("rdkafka-1")  # and nobody holds its lock
    group = Group()

    expelling = MemberFile(str(path), group.expel).expel_predecessor()

    assert group.asked.wait(60)
    assert group.expelled == ["rdkafka-1"]
    assert expelling
    expelling.join(60)
    assert "predecessor expelled" in caplog.messages  # tests/compose/checks.py counts these


def test_the_last_name_is_the_one_that_counts(path: Path) -> None:
    file = MemberFile(str(path), Group().expel)

    file.note("rdkafka-of-a-long-name")
    file.note("rdkafka-2")

    assert path.read_text() == "rdkafka-2"


@pytest.mark.parametrize("first_of_all", [True, False])
def test_nobody_is_expelled_where_nobody_was_killed(path: Path, first_of_all: bool) -> None:
    if not first_of_all:
        predecessor = MemberFile(str(path), Group().expel)
        predecessor.note("rdkafka-1")
        predecessor.leave()
    group = Group()

    MemberFile(str(path), group.expel).expel_predecessor()

    assert group.expelled == []


def test_a_consumer_that_lives_is_neither_expelled_nor_written_over(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alive = MemberFile(str(path), Group().expel)
    alive.note("rdkafka-1")
    group = Group()

    second = MemberFile(str(path), group.expel)
    second.expel_predecessor()
    second.note("rdkafka-2")
    second.leave()

    assert group.expelled == []
    assert path.read_text() == "rdkafka-1"
    assert "the member file is another consumer's" in caplog.text


def test_without_a_file_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    group = Group()

    file = MemberFile("", group.expel)
    file.expel_predecessor()
    file.note("rdkafka-1")
    file.leave()

    assert group.expelled == []
    assert list(tmp_path.iterdir()) == []


def test_a_kafka_that_does_not_expel_stops_nobody(path: Path) -> None:
    path.write_text("rdkafka-1")
    group = Group(Unavailable("Kafka does not answer"))

    expelling = MemberFile(str(path), group.expel).expel_predecessor()

    assert expelling
    expelling.join(60)
    assert group.expelled == ["rdkafka-1"]
