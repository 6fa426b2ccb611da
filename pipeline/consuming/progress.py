"""How far each partition is finished, and how often work on its oldest open offset began."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline import strict_json
from pipeline.events.checks import MAX_COUNT
from pipeline.kafka.topics import Partition

# From the second time on that a consumer died at one offset, what it may have been working on is
# worked off one by one: then the image that kills it is found, and no other is blamed.
CAREFUL_FROM = 2

_MAX_METADATA_BYTES = 4096


@dataclass(frozen=True)
class Mark:
    """What is committed of a partition; all but the offset is the commit's metadata.

    Attributes:
        offset: the next to be read after a restart.
        begun: how often work on it began without coming to an end.
        alone: whether nothing else was worked on, the last of these times.
    """

    offset: int
    begun: int = 0
    alone: bool = False

    @property
    def metadata(self) -> str:
        """Write what goes with the offset; empty when work on it never began."""
        return json.dumps({"begun": self.begun, "alone": self.alone}) if self.begun else ""

    @classmethod
    def from_committed(cls, offset: int, metadata: str | None) -> Mark:
        """Read what was committed; metadata of another hand count as none."""
        try:
            values = strict_json.parse((metadata or "{}").encode(), _MAX_METADATA_BYTES)
            begun = min(max(0, int(values.get("begun", 0))), MAX_COUNT)
        except (ValueError, TypeError, AttributeError):
            return cls(offset)
        return cls(offset, begun, values.get("alone") is True)


NOTHING = Mark(-1)


class Progress:
    """Offsets of one partition since it was assigned, in the order read.

    Args:
        before: what was committed when it was assigned.
        window: how many offsets a consumer may have begun beyond its commit.
        end: where the partition ended when it was assigned: nobody before can have begun what came
            later. None: it is not known.
        careful_from: how often one has to have died before care is taken.
    """

    def __init__(
        self,
        before: Mark = NOTHING,
        window: int = 0,
        end: int | None = None,
        careful_from: int = CAREFUL_FROM,
    ) -> None:
        self._before = before
        self._window = window
        self._end = end
        self._careful_from = careful_from
        self._finished: dict[int, bool] = {}  # in the order read
        self._begun: dict[int, bool] = {}  # whether alone
        self._first: int | None = None
        self._next = 0
        self._committed: Mark | None = before

    @property
    def open_offsets(self) -> int:
        """How many offsets were read and cannot be committed yet."""
        return len(self._finished)

    def read(self, offset: int) -> bool:
        """Note an offset as read; tell whether a consumer before may have begun it."""
        if self._first is None:
            self._first = offset
        self._finished[offset] = False
        self._next = offset + 1
        was_there = self._end is None or offset < self._end
        return was_there and offset - self._first < self._window

    def died(self, offset: int) -> Mark:
        """Tell how often a consumer died while it worked on this offset, and whether alone."""
        return self._before if offset == self._before.offset else Mark(offset)

    def begin(self, offset: int, *, alone: bool) -> bool:
        """Note that work on an offset begins; True when it is the oldest open one."""
        self._begun[offset] = alone
        return offset == self._position

    def finish(self, offset: int) -> None:
        """Note that the event's result, retry or dead letter is acknowledged."""
        if offset in self._finished:
            self._finished[offset] = True
        while self._finished:
            oldest = next(iter(self._finished))
            if not self._finished[oldest]:
                break
            del self._finished[oldest]
            self._begun.pop(oldest, None)

    def give_up(self) -> None:
        """Forget that work began: it ends here, but nobody died of it."""
        self._begun.clear()

    @property
    def needs_care(self) -> bool:
        """Whether an open offset is one that the consumer keeps dying of, or near it."""
        if self._before.begun < self._careful_from or not self._finished:
            return False
        return self._position <= self._before.offset + self._window

    def to_commit(self) -> Mark | None:
        """Tell what is to be committed; None when it is committed already."""
        if self._first is None:
            return None
        died = self.died(self._position)
        if self._position in self._begun:
            mark = Mark(self._position, died.begun + 1, self._begun[self._position])
        else:
            mark = died
        return mark if mark != self._committed else None

    def note_committed(self, mark: Mark | None) -> None:
        """Note what was committed; None: nothing was, so that it is committed again."""
        self._committed = mark

    @property
    def _position(self) -> int:
        """The oldest open offset; the next to be read when none is."""
        return next(iter(self._finished), self._next)


class Assignment:
    """The partitions this consumer owns and how far each is."""

    def __init__(self, window: int, careful_from: int = CAREFUL_FROM) -> None:
        self._window = window
        self._careful_from = careful_from
        self._progress: dict[Partition, Progress] = {}

    def __len__(self) -> int:
        return len(self._progress)

    def get(self, place: Partition) -> Progress | None:
        """Find a partition's progress; None when another consumer owns it."""
        return self._progress.get(place)

    def add(self, marks: Mapping[Partition, Mark], ends: Mapping[Partition, int]) -> None:
        """Start partitions anew, each from what was committed, with where it ends, if known."""
        for place, mark in marks.items():
            end = ends.get(place)
            self._progress[place] = Progress(mark, self._window, end, self._careful_from)

    def remove(self, places: Iterable[Partition]) -> None:
        """Forget partitions that are another consumer's now."""
        for place in places:
            self._progress.pop(place, None)

    def places(self) -> set[Partition]:
        """Name the partitions."""
        return set(self._progress)

    @property
    def needs_care(self) -> bool:
        """Whether images are to be worked on one by one."""
        return any(progress.needs_care for progress in self._progress.values())

    def give_up(self, places: Iterable[Partition]) -> None:
        """Forget that work began in these partitions: they are handed over, nobody died."""
        for place in places:
            if place in self._progress:
                self._progress[place].give_up()

    def open_offsets(self) -> int:
        """Count the offsets that were read and cannot be committed yet."""
        return sum(progress.open_offsets for progress in self._progress.values())

    def places_with(self, open_offsets: int) -> set[Partition]:
        """Find the partitions that have so many open offsets, or more."""
        return {
            place
            for place, progress in self._progress.items()
            if progress.open_offsets >= open_offsets
        }

    def to_commit(self) -> dict[Partition, Mark]:
        """Tell every position that is not committed yet."""
        marks = {place: progress.to_commit() for place, progress in self._progress.items()}
        return {place: mark for place, mark in marks.items() if mark is not None}
