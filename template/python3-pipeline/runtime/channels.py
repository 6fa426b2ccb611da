"""How a connection is answered: by the application, or with a problem when it is not asked."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any

from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.task import ErrorTask, WSGITask  # type: ignore[import-untyped]

from runtime import problems
from runtime.drain import Drain
from runtime.reception import Parser


class Refusal(ErrorTask):  # type: ignore[misc]
    """The answer to what is no request that is taken; it ends the connection."""

    def execute(self) -> None:
        """Answer, without a body where the request may have been a HEAD."""
        error, asked = self.request.error, self.channel.requests[0]
        body = problems.document(
            error.code,
            error.body,
            problems.trace_id_of(asked.headers.get("TRACEPARENT")),
            getattr(error, "found", None),
            getattr(error, "allowed", None),
        )
        self.status = f"{error.code} {HTTPStatus(error.code).phrase}"
        self.response_headers.append(("Content-Type", problems.CONTENT_TYPE))
        self.set_close_on_finish()
        self.content_length = len(body)
        is_head = getattr(asked, "first_line", b"").partition(b" ")[0] == b"HEAD"
        self.write(b"" if is_head else body)


def channel_class(drain: Drain) -> type[HTTPChannel]:
    """Return waitress' connection, one that says `Connection: close` while draining."""

    class Answer(WSGITask):  # type: ignore[misc]
        def build_response_header(self) -> bytes:
            if drain.has_begun:
                self.set_close_on_finish()
            header: bytes = super().build_response_header()
            return header

    class Channel(HTTPChannel):  # type: ignore[misc]
        task_class = Answer
        error_task_class = Refusal
        parser_class = Parser

        def __init__(self, *arguments: Any, **named: Any) -> None:
            # Not waitress' own notes: they are wall time, which may jump.
            self.quiet_since = time.monotonic()
            super().__init__(*arguments, **named)

        def received(self, data: bytes) -> Any:
            self.quiet_since = time.monotonic()
            return super().received(data)

        def service(self) -> None:
            super().service()
            self.quiet_since = time.monotonic()
            if (next_request := self.request) is not None:
                next_request.begun_at = self.quiet_since  # it was not read meanwhile

    return Channel
