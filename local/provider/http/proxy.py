"""The /function route: hands requests to replicas, and their answers back."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus

import aiohttp
from aiohttp import web
from yarl import URL

from local.provider.deployments.spec import NAMESPACE
from local.provider.functions.function import Full, Function
from local.provider.functions.functions import Functions
from local.provider.http import paths
from local.provider.http.bodies import Bodies
from local.provider.http.problem import Problem, answer, call_id_of
from local.provider.http.relay import forwarded_headers, is_small, relay
from local.provider.refusal import Refused
from local.provider.replicas.host import Host
from local.provider.replicas.replica import Replica

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT = 1024


class Proxy:
    """Bounds what is in flight, and forwards it."""

    def __init__(self, functions: Functions, host: Host, bodies: Bodies) -> None:
        self._functions = functions
        self._session = host.session
        self._login = host.secrets.authorization()
        self._bodies = bodies
        self._in_flight = 0

    async def invoke(self, request: web.Request) -> web.StreamResponse:
        """Answer ANY /function/NAME[.NAMESPACE][/path][?query]."""
        call_id = call_id_of(request)
        try:
            function, path = self._target(request)
        except Problem as problem:
            return answer(request, problem, call_id)
        started_at, status = time.perf_counter(), 500
        try:
            response = await self._within_bounds(request, function, path, call_id)
            status = response.status
        except Problem as problem:
            status = problem.status
            response = answer(request, problem, call_id)
        finally:
            function.answered.add(int(status), time.perf_counter() - started_at)
        return response

    async def _within_bounds(
        self, request: web.Request, function: Function, path: str, call_id: str
    ) -> web.StreamResponse:
        if self._in_flight >= MAX_IN_FLIGHT:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests are in flight")
        self._in_flight += 1
        body = b""
        try:
            body = await self._bodies.read(request)
            return await self._forward(request, body, function, path, call_id)
        finally:
            self._in_flight -= 1
            self._bodies.give_back(len(body))

    async def _forward(
        self, request: web.Request, body: bytes, function: Function, path: str, call_id: str
    ) -> web.StreamResponse:
        function.invocations += 1
        headers = forwarded_headers(request, call_id)
        if headers.get("Authorization") == self._login:  # for /system, sent here by mistake
            headers.popall("Authorization")
        deadline = time.monotonic() + function.patience_seconds
        avoid: Replica | None = None
        may_replay = True
        while True:
            replica = await borrow(function, avoid, deadline)
            timeout = aiohttp.ClientTimeout(total=function.timeout_seconds)
            url = URL(replica.url + path, encoded=True)
            try:
                upstream = await self._session.request(
                    request.method,
                    url,
                    headers=headers,
                    data=body or None,
                    timeout=timeout,
                    allow_redirects=False,
                )
                whole = await upstream.read() if is_small(upstream) else None
            except TimeoutError as error:
                detail = f"function {function.name} took longer than {timeout.total:g} s"
                raise Problem(HTTPStatus.GATEWAY_TIMEOUT, detail) from error
            except aiohttp.ClientConnectorError:
                replica.doubt()  # nothing was sent
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
                replica.doubt()
                if not may_replay:
                    detail = f"function {function.name} broke off: {error}"
                    raise Problem(HTTPStatus.BAD_GATEWAY, detail) from error
                may_replay = False
                logger.warning("request replayed", extra={"replica": replica.name})
            else:
                return await relay(request, upstream, whole, call_id)
            finally:
                replica.give_back()
            avoid = replica

    def _target(self, request: web.Request) -> tuple[Function, str]:
        """Return the function, and the path and query that are left for it."""
        match = paths.FUNCTION.fullmatch(request.raw_path)
        if match is None or (match[2] or NAMESPACE) != NAMESPACE:
            detail = f"{request.path} names no function"
            raise Problem(HTTPStatus.NOT_FOUND, detail, code="function-not-found")
        try:
            function = self._functions.find(match[1])
        except Refused as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error), code="function-not-found") from error
        return function, (match[3] or "/") + (match[4] or "")


async def borrow(function: Function, avoid: Replica | None, deadline: float) -> Replica:
    try:
        replica = await function.borrow(avoid, deadline)
    except Full as error:
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, str(error)) from error
    if replica is None:
        detail = f"function {function.name} has no ready replica"
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)
    return replica
