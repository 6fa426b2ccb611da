"""How a process makes its function: at the first need, once, and again only while it cannot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pipeline.errors import PipelineError, Unauthorized
from pipeline.http import web
from pipeline.http.identity import TOKEN_HEADER, Verifier

Function = TypeVar("Function")


class Entry(Generic[Function]):
    """Holds the one function of a process; safe to use from several threads."""

    def __init__(self, make: Callable[[], Function]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: Function | None = None

    def get(self) -> Function:
        """Make the function, or return the one that was made.

        Raises:
            Unavailable: a dependency does not answer yet.
        """
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def handle(
        self, event: Any, answer: Callable[[Function, web.Call], web.Response]
    ) -> web.Response:
        """Answer one OpenFaaS event with the function."""
        return web.answer(event, lambda call: answer(self.get(), call))

    def tenant_of(self, event: Any, verifier: Callable[[Function], Verifier]) -> str:
        """Tell whose request it is, its body unread; empty: no tenant's, or it is not known yet."""
        if self._made is None:
            return ""
        token = event.headers.get(TOKEN_HEADER, "")
        try:
            return verifier(self._made).verify(token, event.method, event.path or "/").tenant
        except Unauthorized:
            return ""

    def why_not_ready(self) -> str | None:
        """Tell why the function cannot be made yet, or None.

        Raises:
            Exception: it never can; the process should end.
        """
        try:
            self.get()
        except PipelineError as error:
            return str(error)
        return None

    def close(self, end: Callable[[Function], None]) -> None:
        """End the function if it was made."""
        if self._made is not None:
            end(self._made)
