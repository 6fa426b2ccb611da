"""The bundled picture, sent through the gateway: a stack that labels it is at work."""

from __future__ import annotations

import http.client
import json
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from local.services.certificates import door
from local.services.progress import StepFailed, say, step
from local.services.settings import ROOT, Stack

EXAMPLE = Path("models") / "demonstration" / "example.png"
# Of one request, for its result.
_WAIT_SECONDS = 30
# A machine that is busy may need several: what was only just started is slow to answer at first.
_PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 1.0
# No result yet, and what a stack says that has no time.
_COME_AGAIN = (
    HTTPStatus.ACCEPTED,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class _Answer(NamedTuple):
    status: int
    text: str


def classify(stack: Stack) -> dict[str, Any] | None:
    """Send the picture until there is its result, again while the stack has no time for it.

    Returns:
        The answer; None where the key that the stack came with opens nothing any more.

    Raises:
        StepFailed: there is no result; the text holds the last answer.
    """
    said = ""
    with step("Example picture", lambda: said):
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (answer := _send(stack)).status in _COME_AGAIN and time.monotonic() < deadline:
            said = f"the last answer is {answer.status}"
            time.sleep(_PAUSE_SECONDS)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        found = json.loads(answer.text)["found"]
        say(f"No picture was tried: {found} is in {stack.api_key_file}.")
        return None
    if answer.status not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
        raise StepFailed(f"The example picture was answered with {answer.status}: {answer.text}")
    result: dict[str, Any] = json.loads(answer.text)
    if result.get("status") != "completed":
        raise StepFailed(f"The example picture got no label: {answer.text}")
    return result


def _send(stack: Stack) -> _Answer:
    headers = {
        "X-Api-Key": stack.api_key_file.read_text(encoding="utf-8").strip(),
        "Content-Type": "image/png",
        "Content-Disposition": f'attachment; filename="{EXAMPLE.name}"',
        "Prefer": f"wait={_WAIT_SECONDS}",
    }
    try:
        connection = door.connection(stack, _WAIT_SECONDS + 15)
    except OSError as error:
        raise StepFailed(f"The gateway's certificate cannot be read: {error}") from error
    try:
        connection.request("POST", "/api/v1/images", (ROOT / EXAMPLE).read_bytes(), headers)
        response = connection.getresponse()
        return _Answer(response.status, response.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        raise StepFailed(f"The example picture: the gateway does not answer: {error}") from error
    finally:
        connection.close()
