"""A gateway before functions that answer at once, or not yet: what a page meets on bad days."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.gateway import Gateway
from tests.provider import Provider

_UPLOAD = """
    import hashlib
    from pathlib import Path

    SIGNS = Path({signs!r})
    BUSY = {{"type": "urn:image-pipeline:problem:backlog-full", "title": "backlog full",
            "status": 503, "detail": "many images wait", "traceId": ""}}

    SLOW = {{"type": "urn:image-pipeline:problem:function-too-slow", "title": "function too slow",
            "status": 504, "detail": "no answer came within 1 s", "traceId": "a trace"}}

    def refused(problem):
        headers = {{"Retry-After": "1", "Content-Type": "application/problem+json"}}
        return {{"statusCode": problem["status"], "body": problem, "headers": headers}}

    def handle(event, context):
        for name, problem in (("busy", BUSY), ("slow", SLOW)):
            if (SIGNS / name).exists():
                return refused(problem)
        image = hashlib.sha256(event.body.split(b"\\r\\n\\r\\n", 1)[1].rsplit(b"\\r\\n--", 1)[0])
        body = {{"jobId": "job-" + image.hexdigest()[:8], "imageId": image.hexdigest()}}
        return {{"statusCode": 202, "body": body}}
"""
_RESULTS = """
    from pathlib import Path

    SIGNS = Path({signs!r})
    LABELS = [{{"label": "tea", "score": 0.75}}, {{"label": "cup", "score": 0.25}}]

    def handle(event, context):
        if (SIGNS / "pending").exists():
            return {{"statusCode": 200, "body": {{"status": "pending"}}}}
        if (SIGNS / "failing").exists():
            error = {{"code": "classifier-failed", "detail": "it broke off 5 times"}}
            return {{"statusCode": 200, "body": {{"status": "failed", "error": error}}}}
        result = {{"labels": LABELS, "model": {{"name": "tea", "version": "1"}}}}
        return {{"statusCode": 200, "body": {{"status": "completed", "result": result}}}}
"""


@dataclass(frozen=True)
class World:
    """The gateway, and how its functions are told what to answer."""

    gateway: Gateway
    signs: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    @contextmanager
    def sign(self, name: str) -> Iterator[None]:
        """Have the functions be `busy`, `slow` or `failing`, or leave all jobs `pending`."""
        (self.signs / name).touch()
        try:
            yield
        finally:
            (self.signs / name).unlink()

    def change_key(self) -> str:
        """Make another key the one that is known; the one before is known no more."""
        key = secrets.token_urlsafe(32)
        self.gateway.stack.api_key_file.write_text(key, encoding="utf-8")
        self.gateway.take_up_keys()
        assert self.gateway.ask("/api/v1/key").status == 200
        return key


@contextmanager
def page_world(folder: Path) -> Iterator[World]:
    """Start the provider with both functions, and the gateway before it."""
    signs = folder / "signs"
    signs.mkdir()
    provider = Provider(folder)
    gateway = Gateway(provider)
    provider.start()
    try:
        provider.deploy("image-upload", _UPLOAD.format(signs=str(signs)))
        provider.deploy("image-results", _RESULTS.format(signs=str(signs)))
        gateway.start()
        yield World(gateway, signs)
    finally:
        gateway.stop()
        if provider.process and provider.process.poll() is None:
            provider.stop()
