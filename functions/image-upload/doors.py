"""Which names an upload has: our own, and two that clients of older systems know.

The others are thin: the same submission, asked for and answered in other words. See docs/http.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from form import Form, SentFile, read_form
from pipeline.errors import Rejected, UnsupportedFormat
from pipeline.http.web import MAX_FOUND_CHARACTERS, Call
from pipeline.images import formats
from waiting import preferred_seconds

_DAG = "dag_id"
# As Apache Airflow names one.
_DAG_ID = re.compile(r"[A-Za-z0-9_.-]{1,250}")
_PLAIN = (formats.JPEG, formats.PNG)


@dataclass(frozen=True)
class Door:
    """One way in.

    Attributes:
        waits: it waits for the result, whether the client prefers so or not.
        is_plain: it takes one file, JPEG or PNG, and the name of a workflow.
        is_short: it answers the job id alone.
    """

    waits: bool = False
    is_plain: bool = False
    is_short: bool = False

    def read(self, call: Call, most: int) -> Form:
        """Take out of the request what this door takes.

        Raises:
            Rejected: it takes no such thing.
        """
        form = read_form(call, 1 if self.is_plain or self.is_short else most)
        if self.is_plain:
            _check_format(form.files[0])
            _check_dag(form.texts)
        return form

    def seconds(self, call: Call, most: int) -> int:
        """Tell how long to wait for the result."""
        if self.is_short:
            return 0
        prefer = call.headers.get("Prefer")
        if self.waits and prefer is None:
            return most
        return preferred_seconds(prefer or "", most)

    def told(self, form: Form) -> dict[str, str]:
        """Tell what the answer says beside the job."""
        known = self.is_plain and _DAG in form.texts
        return {"dagId": form.texts[_DAG]} if known else {}


_DOORS = {
    "upload": Door(waits=True, is_plain=True),
    "api/classify": Door(is_short=True),
}


def door_of(path: str) -> Door:
    """Find the door of a path as the function sees it."""
    return _DOORS.get(path.strip("/"), Door())


def _check_format(sent: SentFile) -> None:
    # What is empty, or no picture at all, is refused where all pictures are looked at.
    try:
        found = formats.identify(sent.data)
    except UnsupportedFormat:
        return
    if found not in _PLAIN:
        raise UnsupportedFormat(
            f"the file is {found.shown}; here it may be JPEG or PNG, at /api/v1/images more",
            found=found.shown,
            allowed=" or ".join(kind.shown for kind in _PLAIN),
        )


def _check_dag(texts: Mapping[str, str]) -> None:
    if _DAG in texts and not _DAG_ID.fullmatch(texts[_DAG]):
        found = texts[_DAG][:MAX_FOUND_CHARACTERS]
        raise Rejected(
            f"{_DAG} is {found!r}, which names no workflow",
            code="bad-form",
            found=found,
            allowed="1 to 250 letters, digits, '_', '.' and '-'",
        )
