"""How dead letters are shown: a row of a table, a page each, or JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from imagectl.dead_letters.letters import Shown
from pipeline.events.calls import FunctionCalled
from pipeline.events.cloudevents import ImageUploaded
from pipeline.events.dead_letters import DeadLetter

_COLUMNS = ("letter", "given up at", "tenant", "image", "attempts", "reason", "detail", "replayed")
_MESSAGE = ("originalEvent", "originalCall", "originalBytes", "originalStart")
_IMAGE_CHARACTERS = 12
_DETAIL_CHARACTERS = 60
_BYTES_A_ROW = 16


def row(shown: Shown) -> dict[str, Any]:
    """One letter in `list --json`: all but the original message."""
    letter, data = shown.letter, shown.letter.body["data"]
    event = letter.uploaded
    call = letter.call
    about: dict[str, Any] = {"unreadable": event is None and call is None}
    if call is not None:
        about |= {
            "tenantId": call.tenant,
            "callId": call.call_id,
            "function": call.function,
            "replays": call.replays,
        }
    if event is not None:
        about |= {
            "tenantId": event.tenant_id,
            "jobId": event.job_id,
            "imageId": event.image_id,
            "modelId": event.model_id,
            "replays": event.replays,
        }
    rest = {name: value for name, value in data.items() if name not in _MESSAGE}
    head = {"letterId": letter.letter_id, "time": letter.body["time"]}
    return {**head, "replayed": shown.is_replayed, **about, **rest}


def page(shown: Shown) -> dict[str, Any]:
    """One letter in `show --json`: everything."""
    body = dict(shown.letter.body)
    whole = {**row(shown), "letter": body}
    if shown.letter.uploaded is None and shown.letter.call is None:
        whole |= {"hex": shown.letter.raw.hex(), "text": printable(_text(shown.letter.raw))}
    return whole


def table(letters: Iterable[Shown]) -> Table:
    """A row a letter."""
    made = Table(*_COLUMNS, box=None)
    for shown in letters:
        made.add_row(*(Text(cell, no_wrap=True) for cell in _cells(shown)))
    return made


def lines(shown: Shown) -> Iterable[str]:
    """Everything about one letter, as text."""
    letter, data = shown.letter, shown.letter.body["data"]
    yield f"letter       {letter.letter_id}{' (replayed)' if shown.is_replayed else ''}"
    yield f"given up at  {_time(letter)}"
    yield f"reason       {printable(letter.reason['code'])}: {printable(letter.reason['detail'])}"
    if "stage" in data:
        yield f"stage        {printable(str(data['stage']))}"
    yield f"attempts     {data['attempts']}"
    origin = letter.origin
    yield f"read at      {origin.topic}/{origin.partition}/{origin.offset}"
    if letter.call is not None:
        yield from _call_lines(letter.call)
        return
    if letter.uploaded is None:
        if letter.is_whole:
            yield f"message      {len(letter.raw)} bytes that are no event"
        else:
            size, digest = data.get("originalSize"), printable(str(data.get("originalDigest")))
            what = "could not be read" if size is None else f"{size} bytes, too many to be kept"
            yield f"message      {what}; it cannot be replayed"
            yield f"digest       {digest}; its first bytes:"
        yield from _dump(letter.raw)
        return
    event = letter.uploaded.to_cloud_event()
    for name, value in [*event["data"].items(), *event.items()]:
        if name != "data":
            yield f"  {name:<18} {printable(str(value))}"


def _call_lines(call: FunctionCalled) -> Iterable[str]:
    """All but the body, and of the headers only their names: some are secrets."""
    told = {
        "callId": call.call_id,
        "eventId": call.event_id,
        "function": call.function,
        "method": call.method,
        "path": call.path,
        "headers": ", ".join(name for name, _ in call.headers),
        "bodyBytes": call.body.size,
        "callbackUrl": call.callback_url,
        "tenantId": call.tenant,
        "acceptedAt": call.accepted_at,
        "replays": call.replays,
    }
    for name, value in told.items():
        yield f"  {name:<18} {printable(str(value))}"


def printable(text: str) -> str:
    """Write what a terminal would act upon as an escape."""
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _cells(shown: Shown) -> tuple[str, ...]:
    letter = shown.letter
    about = letter.uploaded or letter.call
    detail = printable(letter.reason["detail"])
    return (
        letter.letter_id,
        _time(letter),
        (about.tenant_id if isinstance(about, ImageUploaded) else about.tenant if about else "-"),
        _subject(letter),
        str(letter.body["data"]["attempts"]),
        printable(letter.reason["code"]),
        detail if len(detail) <= _DETAIL_CHARACTERS else detail[: _DETAIL_CHARACTERS - 1] + "…",
        "yes" if shown.is_replayed else "",
    )


def _subject(letter: DeadLetter) -> str:
    """What it is about: an image, a function, or the place of a message."""
    if letter.call is not None:
        return printable(letter.call.function)
    if letter.uploaded is not None:
        return letter.uploaded.image_id[:_IMAGE_CHARACTERS]
    origin = letter.origin
    return f"{origin.topic}/{origin.partition}/{origin.offset}"


def _time(letter: DeadLetter) -> str:
    return datetime.fromtimestamp(letter.written_at, UTC).isoformat(timespec="seconds")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="backslashreplace")


def _dump(raw: bytes) -> Iterable[str]:
    for start in range(0, len(raw), _BYTES_A_ROW):
        part = raw[start : start + _BYTES_A_ROW]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"  {start:08x}  {part.hex(' '):<{3 * _BYTES_A_ROW}} {shown}"
