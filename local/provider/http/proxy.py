"""The /function route: hands calls to replicas, and their answers back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

from local.provider.deployments.spec import NAMESPACE
from local.provider.functions.function import Full, Function
from local.provider.functions.functions import Functions
from local.provider.http import paths
from local.provider.http.call import Call
from local.provider.http.problem import Problem
from local.provider.refusal import Refused
from local.provider.replicas.connection import (
    Answer,
    BrokenOff,
    Connection,
    NotConnected,
    WasIdle,
    head_of,
)
from local.provider.replicas.host import Host
from local.provider.replicas.replica import Replica
from pipeline.limits import MARGIN_SECONDS

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT = 1024

Told = TypeVar("Told")
# Tells the caller the answer; takes the rest of a long one from the connection.
Tell = Callable[[Call, Answer, Connection], Awaitable[Told]]


class Incomplete(Exception):
    """The caller has a part of an answer, and gets no more."""


class Proxy:
    """Bounds what is in flight, and forwards it."""

    def __init__(self, functions: Functions, host: Host) -> None:
        self._functions = functions
        self._login = host.secrets.authorization().encode()
        self._in_flight = 0

    def find(self, target: str) -> tuple[Function, bytes]:
        """Return the function, and the path and query that are left for it."""
        match = paths.FUNCTION.fullmatch(target)
        if match is None or (match[2] or NAMESPACE) != NAMESPACE:
            detail = f"{target.partition('?')[0]} names no function"
            raise Problem(HTTPStatus.NOT_FOUND, detail, code="function-not-found")
        try:
            function = self._functions.find(match[1])
        except Refused as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error), code="function-not-found") from error
        return function, ((match[3] or "/") + (match[4] or "")).encode()

    def enter(self) -> None:
        """Count a call, from its headers to the end of its answer; raise Problem when full."""
        if self._in_flight >= MAX_IN_FLIGHT:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests are in flight")
        self._in_flight += 1

    def leave(self) -> None:
        self._in_flight -= 1

    async def forward(self, function: Function, call: Call, tell: Tell[Told]) -> Told:
        """Have a replica answer; another one, once, where the first breaks off.

        Raises:
            Problem: there is no answer.
            Incomplete: the caller was told a part of one.
        """
        function.invocations += 1
        answer_by = time.monotonic() + function.answers_seconds
        deadline = min(time.monotonic() + function.patience_seconds, answer_by)
        avoid: Replica | None = None
        may_replay = True
        while True:
            replica = await borrow(function, avoid, deadline)
            try:
                return await self._exchange(replica, call, function, tell, answer_by)
            except NotConnected:
                replica.doubt()  # nothing was sent
                avoid = replica
            except BrokenOff as error:
                if not may_replay:
                    detail = f"function {function.name} broke off: {error}"
                    raise Problem(HTTPStatus.BAD_GATEWAY, detail) from error
                may_replay = False
                logger.warning("request replayed", extra={"replica": replica.name})
                if isinstance(error, WasIdle):
                    replica.connections.close_idle()  # it closes those that are idle, or has died
                replica.doubt()
                avoid = replica
            finally:
                replica.give_back()

    async def _exchange(
        self,
        replica: Replica,
        call: Call,
        function: Function,
        tell: Tell[Told],
        answer_by: float,
    ) -> Told:
        connections = replica.connections
        head = head_of(
            call.method, call.target, call.request_headers(connections.host, self._login)
        )
        seconds = function.timeout_seconds
        left_seconds = max(0.001, answer_by - time.monotonic())
        connection, answer = connections.take(), None
        try:
            async with asyncio.timeout(min(seconds + MARGIN_SECONDS, left_seconds)):
                if connection is None:
                    connection = await connections.open()
                answer = await connection.send(head, call.body, call.method == b"HEAD")
                try:
                    return await tell(call, answer, connection)
                except BrokenOff as error:
                    raise Incomplete(str(error)) from error
        except TimeoutError as error:
            detail = f"function {function.name} took longer than the {seconds:g} s that it may"
            if left_seconds < seconds:
                within = function.answers_seconds
                detail = (
                    f"function {function.name} took longer than the {left_seconds:.1f} s that were"
                    f" left of the {within:g} s in which its calls are answered"
                )
            if answer:
                raise Incomplete(detail) from error
            raise Problem(HTTPStatus.GATEWAY_TIMEOUT, detail) from error
        finally:
            if connection:
                connection.release()


async def borrow(function: Function, avoid: Replica | None, deadline: float) -> Replica:
    try:
        replica = await function.borrow(avoid, deadline)
    except Full as error:
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, str(error)) from error
    if replica is None:
        detail = f"function {function.name} has no ready replica"
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)
    return replica
