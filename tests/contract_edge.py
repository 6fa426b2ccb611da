"""Answers of the document that do not depend on what lies behind the gateway, and how each is got.

tests/integration/test_contract.py gets them all; tests/e2e/test_contract.py gets the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.contract import Call, contract, sample

_KEYLESS = "X-Api-Key: none"
# More than any call takes.
_TOO_LARGE = 100_000_000
# What a function of the test's own is told to answer.
TOLD = "X-Answer"


@dataclass(frozen=True)
class Request:
    """What is sent to a call so that it gets an answer.

    Attributes:
        target: in the place of the usual one.
        told: the answer is a function's, which does as it is told.
        needs_function: it is asked where one is deployed.
        is_one_too_many: as many requests as there may be are under way.
    """

    lines: tuple[str, ...] = ()
    target: str = ""
    told: str = ""
    needs_function: bool = False
    is_one_too_many: bool = False


_REQUESTS: Mapping[str, Request] = {
    "400": Request(("Host: another",)),
    "401": Request((_KEYLESS,)),
    "413": Request((f"Content-Length: {_TOO_LARGE}",)),
    "415": Request(("Content-Encoding: gzip",)),
    "429": Request(is_one_too_many=True),
    "431": Request((f"X-Long: {'x' * 9000}",)),
    "501": Request(("Transfer-Encoding: gzip",)),
    **{status: Request(told=status) for status in ("500", "502", "503", "504")},
}
_SAID = {"500": "internal", "502": "function-broke-off", "503": "unavailable"}
_SAID["504"] = "function-too-slow"


def edge() -> dict[tuple[Call, str], Request]:
    """Give every such answer of the document."""
    found = {}
    for call, status in contract().answers:
        if request := _request(call, status):
            found[call, status] = request
    return found


def _request(call: Call, status: str) -> Request | None:
    special = _SPECIAL.get(status)
    if special and (request := special(call)):
        return request
    if status == "401" and "password" in _schemes(call):
        return Request()
    request = _REQUESTS.get(status)
    if request and request.told:
        return Request((f"{TOLD}: {status} {_SAID[status]}",), told=status, needs_function=True)
    return request


def _not_found(call: Call) -> Request | None:
    """A function that is not deployed; a file that is none; else a function says what is not."""
    if call.path.startswith("/async-function/"):
        return Request(target=sample(call.path, name="nobody"), needs_function=True)
    if "function-not-found" in contract().codes(call, "404"):
        return Request()
    return Request() if call.path == "/page/{file}" else None


def _condition(call: Call) -> Request:
    return Request(('If-Match: "another"',), target=sample(call.path, file="main.js"))


def _too_long(call: Call) -> Request:
    return Request(target=f"{sample(call.path)}?{'x' * 4100}")


def _others(call: Call) -> Request:
    if call.path.startswith("/system/"):
        return Request(("Authorization: Basic {login}",))
    return Request((f"{TOLD}: 200 ok",), told="200", needs_function=True)


def _schemes(call: Call) -> set[str]:
    operation = contract().document["paths"][call.path][call.method]
    return {name for each in operation["security"] for name in each}


_SPECIAL: Mapping[str, Callable[[Call], Request | None]] = {
    "404": _not_found,
    "412": _condition,
    "414": _too_long,
    "default": _others,
}
