"""GET /system/logs: what a function has written, and what it goes on to write."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from local.provider.deployments.spec import NAMESPACE
from local.provider.http.server import Stream
from local.provider.refusal import Refused
from local.provider.replicas.log_history import LONG_AGO, History
from local.provider.replicas.replica_log import Feed, Line, Reader
from local.provider.settings import Settings

MAX_FOLLOWERS = 64
MAX_TAIL_LINES = 100_000  # they are held in memory
LOOK_SECONDS = 1.0  # whether the client is still there
KEEPALIVE_LOOKS = 15  # an empty line, so that no proxy takes the connection for dead


@dataclass(frozen=True)
class LogRequest:
    """`tail`: how many of the last lines; None for all."""

    name: str
    instance: str
    since: str
    tail: int | None
    follows: bool

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> LogRequest:
        """Read the query; raise Refused naming what cannot be read."""
        return cls(
            name=query.get("name", ""),
            instance=query.get("instance", ""),
            since=moment(query["since"]) if query.get("since") else LONG_AGO,
            tail=number_of_lines(query.get("tail") or "-1"),
            follows=query.get("follow", "").lower() in ("1", "true"),
        )


def moment(text: str) -> str:
    """Return an RFC 3339 time as log lines are stamped."""
    try:
        time = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused(400, f"since is {text[:80]!r}; write it as 2026-01-31T12:00:00Z") from error
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def number_of_lines(text: str) -> int | None:
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise Refused(400, f"tail is {text[:80]!r}; it must be a number of lines")
    lines = int(text)
    return min(lines, MAX_TAIL_LINES) if lines > 0 else None


async def stream(
    request: web.Request, wanted: LogRequest, settings: Settings, feed: Feed
) -> web.StreamResponse:
    """Answer one JSON object a line, until the end of the log or of the client's interest."""
    if wanted.follows and len(feed) >= MAX_FOLLOWERS:
        raise Refused(503, f"{MAX_FOLLOWERS} requests follow logs already, as many as are allowed")
    response = Stream(headers={"Content-Type": "application/x-ndjson"})
    with feed.follow(wanted.name) as reader, contextlib.suppress(ConnectionError):
        # Nothing is awaited between the two: no line is missed, and none told twice.
        with History(settings.logs_dir, wanted.name, wanted.instance) as history:
            await response.prepare(request)
            async for batch in history.batches(wanted.since, wanted.tail):
                await response.write(encode(wanted.name, batch))
        if wanted.follows and request.method != "HEAD":
            await follow(request, response, wanted, reader)
        await response.write_eof()
    return response


async def follow(
    request: web.Request, response: web.StreamResponse, wanted: LogRequest, reader: Reader
) -> None:
    looks = 0
    while request.transport and not request.transport.is_closing():
        try:
            line = await reader.get(LOOK_SECONDS)
        except TimeoutError:
            looks += 1
            if looks % KEEPALIVE_LOOKS == 0:
                await response.write(b"\n")
            continue
        if line is None:
            return
        if reader.skipped:
            text = f"{reader.skipped} lines are left out here: they came faster than they were read"
            await response.write(encode(wanted.name, [Line(line.stamp, line.instance, text)]))
            reader.skipped = 0
        if wanted.instance in ("", line.instance):
            await response.write(encode(wanted.name, [line]))


def encode(name: str, lines: Iterable[Line]) -> bytes:
    messages = (
        {
            "name": name,
            "namespace": NAMESPACE,
            "instance": line.instance,
            "timestamp": line.stamp,
            "text": line.text,
        }
        for line in lines
    )
    return "".join(json.dumps(message) + "\n" for message in messages).encode()
