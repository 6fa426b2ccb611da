"""The client's own record of what it sent and was answered: JSON lines, on the disk at once."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

GOOD = "good"
# Accepted at the door, and no image that can be decoded.
POISON = "poison"

ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class Entry:
    """One request.

    Attributes:
        number: of the request; every attempt is a request of its own.
        sent_at, answered_at: seconds since 1970; no answer: None.
        image_id: SHA-256 of the bytes that were sent.
        source: name of the picture the bytes were made of.
        kind: GOOD or POISON.
        status: of the HTTP answer; None: there was none.
        job_id, answered_image_id: what the 202 says.
        model_id: the model that the job id pins.
        refusal: why it was not accepted, in the answer's words.
    """

    number: int
    sent_at: float
    image_id: str
    source: str
    kind: str = GOOD
    tenant: str = "default"
    answered_at: float | None = None
    status: int | None = None
    job_id: str | None = None
    answered_image_id: str | None = None
    model_id: str | None = None
    refusal: str | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the service said yes to it."""
        return self.status == ACCEPTED


class Ledger:
    """Appends to one file; safe to share between threads; a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._lock = threading.Lock()
        self._numbers = itertools.count()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def note_sending(self, **fields: Any) -> int:
        """Write that a request will be sent: `sent_at`, `image_id`, `source`, `kind`, `tenant`.

        Returns:
            The request's number, unless one is among the fields.
        """
        numbered = {"number": next(self._numbers), **fields}
        self._write(numbered)
        return int(numbered["number"])

    def note_answer(self, number: int, **fields: Any) -> None:
        """Write what a request was answered; one without a line had no answer."""
        self._write({"number": number, **fields})

    def _write(self, fields: dict[str, Any]) -> None:
        line = json.dumps(fields, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            os.write(self._file, line)
        # Outside the lock: one flush of the disk is for the lines of all threads.
        os.fdatasync(self._file)


def read(path: Path) -> Iterator[Entry]:
    """Yield every request with its answer, in the order answered, those without one last.

    Holds only the requests that are open, so a ledger may be of any length.
    """
    open_requests: dict[int, dict[str, Any]] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            fields = json.loads(line)
            number = fields["number"]
            if number in open_requests:
                yield Entry(**(open_requests.pop(number) | fields))
            else:
                open_requests[number] = fields
    for fields in open_requests.values():
        yield Entry(**fields)
