"""How far each partition is finished: the longest prefix of offsets that may be committed."""

from __future__ import annotations

from collections.abc import Iterable

Place = tuple[str, int]


class Progress:
    """Offsets of one partition since it was assigned, in the order read."""

    def __init__(self) -> None:
        self._finished: dict[int, bool] = {}  # in the order read
        self._first: int | None = None
        self._position: int | None = None
        self._committed: int | None = None

    def __len__(self) -> int:
        return len(self._finished)

    def read(self, offset: int) -> int:
        """Note an offset as read; return how far it lies behind the first one read."""
        if self._first is None:
            self._first = offset
        self._finished[offset] = False
        return offset - self._first

    def finish(self, offset: int) -> None:
        """Note that the event's result, retry or dead letter is acknowledged."""
        if offset in self._finished:
            self._finished[offset] = True
        while self._finished:
            oldest = next(iter(self._finished))
            if not self._finished[oldest]:
                break
            del self._finished[oldest]
            self._position = oldest + 1

    def to_commit(self) -> int | None:
        """Tell the next offset to be read after a restart; None when it is committed already."""
        return self._position if self._position != self._committed else None

    def note_committed(self, position: int | None) -> None:
        """Note what was committed; None: nothing was, so that it is committed again."""
        self._committed = position


class Assignment:
    """The partitions this consumer owns and how far each is."""

    def __init__(self) -> None:
        self._progress: dict[Place, Progress] = {}

    def __len__(self) -> int:
        return len(self._progress)

    def get(self, place: Place) -> Progress | None:
        """Find a partition's progress; None when another consumer owns it."""
        return self._progress.get(place)

    def add(self, places: Iterable[Place]) -> None:
        """Start partitions anew."""
        self._progress.update({place: Progress() for place in places})

    def remove(self, places: Iterable[Place]) -> None:
        """Forget partitions that are another consumer's now."""
        for place in places:
            self._progress.pop(place, None)

    def open_offsets(self) -> int:
        """Count the offsets that were read and cannot be committed yet."""
        return sum(len(progress) for progress in self._progress.values())

    def places_with(self, open_offsets: int) -> set[Place]:
        """Find the partitions that have so many open offsets, or more."""
        return {
            place for place, progress in self._progress.items() if len(progress) >= open_offsets
        }

    def to_commit(self) -> dict[Place, int]:
        """Tell every position that is not committed yet."""
        positions = {place: progress.to_commit() for place, progress in self._progress.items()}
        return {place: position for place, position in positions.items() if position is not None}
