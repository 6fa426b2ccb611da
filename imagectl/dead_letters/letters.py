"""Which dead letters there are, each once and with whether it was replayed, in bounded memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.errors import MalformedEvent
from pipeline.events import dead_letters
from pipeline.events.dead_letters import DeadLetter
from pipeline.kafka import topics
from pipeline.kafka.topic_reader import Span, TopicReader

# An empty name is a database of its own in a file that nobody sees and that goes when it is closed:
# of a million letters memory holds sqlite's cache of 2 MB.
_SCRATCH = ""
_TABLES = """
    CREATE TABLE letters (
        id TEXT PRIMARY KEY, place INTEGER, position INTEGER, chosen INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE replayed (id TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE named (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_OPEN = "id NOT IN (SELECT id FROM replayed)"


@dataclass(frozen=True)
class Filter:
    """Which letters are meant; one that says nothing means all.

    Attributes:
        names: letter, job or image ids, or topic/partition/offset of an unreadable message.
        since: seconds since 1970, this and later; `until` is the moment before which.
    """

    names: frozenset[str] = frozenset()
    tenant: str | None = None
    reason: str | None = None
    since: float | None = None
    until: float | None = None

    def __bool__(self) -> bool:
        return self != Filter()

    def takes(self, letter: DeadLetter) -> bool:
        """Tell whether this letter is meant."""
        tenant = letter.uploaded.tenant_id if letter.uploaded else None
        if letter.call is not None:
            tenant = letter.call.tenant
        return (
            (not self.names or bool(self.names & letter.names))
            and self.tenant in (None, tenant)
            and self.reason in (None, letter.reason["code"])
            and (self.since is None or letter.written_at >= self.since)
            and (self.until is None or letter.written_at < self.until)
        )


@dataclass(frozen=True)
class Shown:
    """A letter and whether it was replayed."""

    letter: DeadLetter
    is_replayed: bool


@dataclass
class Letters:
    """The letters of image-failures that a filter means, as the topic was when this was made.

    The topic is read twice: once for what belongs together, in a scratch file, and once for the
    letters themselves. Equal letters, written again after a kill, are the first of them.

    Attributes:
        foreign: how many messages were neither letters nor marks.
    """

    reader: TopicReader
    meant: Filter
    foreign: int = 0
    _spans: list[Span] = field(default_factory=list)
    _index: sqlite3.Connection = field(default_factory=lambda: sqlite3.connect(_SCRATCH))

    def __post_init__(self) -> None:
        self._index.executescript(_TABLES)
        self._spans = self.reader.spans(topics.FAILURES.name)
        for span in self._spans:
            self._survey(span)

    def count(self, *, replayed: bool) -> int:
        """Count those that are open, or those that were replayed."""
        condition = f"NOT ({_OPEN})" if replayed else _OPEN
        query = f"SELECT count(*) FROM letters WHERE chosen AND {condition}"
        (count,) = self._index.execute(query).fetchone()
        return int(count)

    def unknown_names(self) -> list[str]:
        """Tell which of the names asked for name no letter."""
        known = {name for (name,) in self._index.execute("SELECT name FROM named")}
        return sorted(self.meant.names - known)

    def read(self, *, replayed: bool = False) -> Iterator[Shown]:
        """Read the open letters, or all, oldest first.

        Raises:
            Unavailable: Kafka stopped answering.
        """
        condition = "" if replayed else f"AND {_OPEN}"
        query = (
            f"SELECT position, NOT ({_OPEN}) FROM letters"
            f" WHERE chosen AND place = ? {condition} ORDER BY position"
        )
        for span in self._spans:
            yield from self._read(span, self._index.execute(query, (span.partition,)))

    def _survey(self, span: Span) -> None:
        for record in self.reader.read(span):
            try:
                found = dead_letters.decode(record.value)
            except MalformedEvent:
                self.foreign += 1
                continue
            if isinstance(found, str):
                self._index.execute("INSERT OR IGNORE INTO replayed VALUES (?)", (found,))
                continue
            row = (found.letter_id, record.partition, record.offset, self.meant.takes(found))
            self._index.execute("INSERT OR IGNORE INTO letters VALUES (?, ?, ?, ?)", row)
            named = [(name,) for name in self.meant.names & found.names]
            self._index.executemany("INSERT OR IGNORE INTO named VALUES (?)", named)

    def _read(self, span: Span, rows: sqlite3.Cursor) -> Iterator[Shown]:
        row = rows.fetchone()
        if row is None:
            return
        for record in self.reader.read(Span(span.topic, span.partition, row[0], span.end)):
            if record.offset != row[0]:
                continue
            found = dead_letters.decode(record.value)
            if isinstance(found, DeadLetter):
                yield Shown(found, bool(row[1]))
            row = rows.fetchone()
            if row is None:
                return
