"""How a call is made: over HTTP through the OpenFaaS route, in the name of who asked for it."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from pipeline import telemetry
from pipeline.errors import PipelineError, Unavailable
from pipeline.events.calls import MAX_HEADER_BYTES, FunctionCalled, Headers, header_bytes
from pipeline.http.identity import GATEWAY, TOKEN_HEADER, Signer, Verifier
from pipeline.names import FUNCTIONS
from pipeline.settings import Settings

_CONNECT_SECONDS = 2.0
# Said while there is no room: waited for, costs no attempt.
_NOT_NOW = frozenset({429, 503})
# Whatever else a function says is its answer, also when it is an error.
_AGAIN = frozenset({408, 500, 502, 504})
_PIECE_BYTES = 65_536
# About the connection, told anew, or of a request: answers are sent on as requests.
_NOT_KEPT = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class Unreachable(Unavailable):
    """Nothing answers where functions are called: no call can be made now."""


class NotNow(PipelineError):
    """The function has no room, or no replica: it may have some later."""

    code = "function-unavailable"


class CallFailed(PipelineError):
    """The function broke off, or said that it failed: another attempt may help.

    Attributes:
        answer: what it said, if anything.
    """

    code = "function-failed"

    def __init__(self, message: str, answer: Said | None = None, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.answer = answer


@dataclass(frozen=True)
class Said:
    """A function's answer as it came."""

    status: int
    headers: Headers
    body: bytes
    seconds: float


class Tokens:
    """Who may call what: the keys that the gateway's tokens for our functions are signed with."""

    def __init__(self, settings: Settings) -> None:
        keys = {name: settings.secrets.text(f"{name}-key") for name in FUNCTIONS}
        self._signers = {name: Signer(GATEWAY, name, key) for name, key in keys.items()}
        self._verifiers = {name: Verifier(name, {GATEWAY: key}) for name, key in keys.items()}
        self._lifetime_seconds = settings.limits.gateway_timeout_seconds

    def admit(self, call: FunctionCalled, token: str) -> FunctionCalled:
        """Note in whose name a call is made; functions that are not ours are told of nobody.

        Raises:
            Unauthorized: the function is ours, and the token not one for this call.
        """
        verifier = self._verifiers.get(_name(call))
        if verifier is None:
            return call
        caller = verifier.verify(token, call.method, _decoded_path(call))
        scopes = tuple(sorted(caller.scopes))
        return replace(call, tenant=caller.tenant, scopes=scopes, key_id=caller.key_id)

    def sign(self, call: FunctionCalled) -> str:
        """Make the token of one attempt; empty for a function that is not ours."""
        signer = self._signers.get(_name(call))
        if signer is None:
            return ""
        return signer.sign(
            call.method,
            _decoded_path(call),
            scopes=call.scopes,
            lifetime_seconds=self._lifetime_seconds,
            tenant=call.tenant,
            key_id=call.key_id,
            trace_id=telemetry.trace_id(call.traceparent),
        )


class FunctionClient:
    """Makes calls; safe to share between threads.

    Each has a connection of its own: one that was kept may be closed just then, and nobody could
    tell whether the call was made.
    """

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        gateway = urlsplit(settings.openfaas_url)
        self._place = (gateway.hostname or "", gateway.port or 80)
        self._root = gateway.path.rstrip("/")
        self._seconds = settings.longest_async_call_seconds
        self._most_bytes = settings.max_body_bytes
        self._tokens = tokens

    def call(self, call: FunctionCalled, body: bytes) -> Said:
        """Make one call and take its answer; the answer's body only where it is sent on.

        Raises:
            Unreachable: there is nobody to ask.
            NotNow: the function has no room.
            CallFailed: it was in vain, or nobody knows.
        """
        started = time.monotonic()
        connection = http.client.HTTPConnection(*self._place, timeout=_CONNECT_SECONDS)
        try:
            connection.connect()
        except OSError as error:
            raise Unreachable(f"functions cannot be called: {type(error).__name__}") from error
        try:
            connection.sock.settimeout(self._seconds)
            self._send(connection, call, body)
            response = connection.getresponse()
            answer = self._read(response, started, is_kept=bool(call.callback_url))
        except TimeoutError as error:
            detail = f"{call.function} took longer than {self._seconds:g} s"
            raise CallFailed(detail, code="function-too-slow") from error
        except (OSError, http.client.HTTPException) as error:
            detail = f"{call.function} broke off: {type(error).__name__}"
            raise CallFailed(detail, code="function-broke-off") from error
        finally:
            connection.close()
        return _judged(call, answer)

    def _send(
        self, connection: http.client.HTTPConnection, call: FunctionCalled, body: bytes
    ) -> None:
        target = f"{self._root}/function/{call.function}{call.path}"
        connection.putrequest(call.method, target, skip_accept_encoding=True)
        for name, value in call.headers:
            connection.putheader(name, value)
        connection.putheader("X-Call-Id", call.call_id)
        if token := self._tokens.sign(call):
            connection.putheader(TOKEN_HEADER, token)
        if call.traceparent:
            trace = telemetry.trace_id(call.traceparent)
            connection.putheader("traceparent", telemetry.child_traceparent(trace))
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)

    def _read(self, response: http.client.HTTPResponse, started: float, *, is_kept: bool) -> Said:
        pieces: list[bytes] = []
        size = 0
        while piece := response.read(_PIECE_BYTES):
            size += len(piece)
            if time.monotonic() - started > self._seconds:
                raise TimeoutError
            if is_kept and size > self._most_bytes:
                detail = f"the answer has more than {self._most_bytes} bytes: too many to send on"
                raise CallFailed(detail, code="answer-too-large")
            # Without a callback only the provider's own words are looked at.
            if is_kept or size <= _PIECE_BYTES:
                pieces.append(piece)
        headers = tuple(
            (name, value)
            for name, value in response.getheaders()
            if name.lower() not in _NOT_KEPT and "\n" not in value and "\r" not in value
        )
        if header_bytes(headers) > MAX_HEADER_BYTES:
            headers = tuple(each for each in headers if each[0].lower() == "content-type")
        return Said(response.status, headers, b"".join(pieces), time.monotonic() - started)


def _judged(call: FunctionCalled, said: Said) -> Said:
    if said.status in _NOT_NOW:
        raise NotNow(f"{call.function} answered {said.status}")
    if said.status in _AGAIN:
        raise CallFailed(f"{call.function} answered {said.status}", said)
    if said.status == 404 and _is_unknown(said):
        raise CallFailed(f"there is no function {call.function}", said, code="function-not-found")
    return said


def _is_unknown(said: Said) -> bool:
    """Tell whether it is the provider that knows no such function, and not its own 404."""
    try:
        body = json.loads(said.body)
    except (ValueError, RecursionError):
        return False
    kind = body.get("type") if isinstance(body, dict) else None
    return kind == "urn:image-pipeline:problem:function-not-found"


def _name(call: FunctionCalled) -> str:
    return call.function.partition(".")[0]


def _decoded_path(call: FunctionCalled) -> str:
    return unquote(call.path.partition("?")[0])
