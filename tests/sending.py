"""How tests send to a busy stack: with patience, which only the stack itself must not have."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import requests

from pipeline.kafka.publisher import Publisher
from tests.stack import Stack, until

# For an image-upload of which every answer counts: none is 503 because the machine is busy.
PATIENT = {"STORE_TIMEOUT_SECONDS": "30", "PRODUCE_TIMEOUT_SECONDS": "30"}

# What a stack says that is too busy just now.
BUSY = (429, 503)

_ACKNOWLEDGED_SECONDS = 60.0


def answered(ask: Callable[[], requests.Response]) -> requests.Response:
    """Ask until the answer is not that the stack is too busy for one."""
    return asked(ask)[-1]


def asked(ask: Callable[[], requests.Response]) -> list[requests.Response]:
    """Ask likewise; every answer: a busy one may have done a part of what was asked for."""
    answers: list[requests.Response] = []

    def is_answered() -> bool:
        answers.append(ask())
        return answers[-1].status_code not in BUSY

    until(is_answered)
    return answers


def accepted(stack: Stack, data: bytes, seconds: float = 180.0) -> dict[str, Any]:
    """Upload until it is taken, as a client does that is told to come again; the answer's body."""

    def upload() -> dict[str, Any] | None:
        try:
            response = stack.upload(data)
        except requests.RequestException:
            return None  # the gateway was killed a moment ago
        body: dict[str, Any] = response.json() if response.status_code == 202 else {}
        return body or None

    return until(upload, seconds)


def publish(stack: Stack, topic: str, value: bytes, *keys: str) -> None:
    """Publish a message under each of these keys, past the gateway."""
    settings = replace(stack.settings, produce_timeout_seconds=_ACKNOWLEDGED_SECONDS)
    with closing(Publisher(settings)) as publisher:
        for key in keys:
            publisher.publish(topic, key, value)
