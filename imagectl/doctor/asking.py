"""How a part is asked over HTTP, and how its clock goes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from imagectl.doctor.finding import Wrong
from imagectl.fields import fields_of
from pipeline.errors import Unavailable
from pipeline.version import VERSION

# Of one answer: what does not come so soon is no answer to anybody who waits for a picture.
_SECONDS = 10.0
_MOST_BYTES = 4_000_000
# `Date` is in whole seconds.
_COARSE_SECONDS = 1.0


@dataclass(frozen=True)
class Answer:
    """What a part answered.

    Attributes:
        clock_seconds: how far its clock is before ours; None where it does not say.
    """

    status: int
    body: bytes
    clock_seconds: float | None

    def json(self) -> dict[str, Any]:
        """Read the body; empty where it is no object."""
        return fields_of(self.body)


def get(url: str, login: tuple[str, str] | None = None, authority: str | None = None) -> Answer:
    """Ask once.

    Args:
        authority: file of whoever vouches for the certificate; None: those that everybody trusts.

    Raises:
        Unavailable: there is no answer.
    """
    session = requests.Session()
    session.verify = authority or True
    session.trust_env = False  # no proxy and no .netrc between us and our parts
    began = time.time()
    try:
        with session.get(
            url, auth=login, timeout=_SECONDS, stream=True, allow_redirects=False
        ) as answer:
            body = answer.raw.read(_MOST_BYTES, decode_content=True)
            ended = time.time()
            date = answer.headers.get("Date")
            return Answer(answer.status_code, body, _ahead(date, began, ended))
    except (requests.RequestException, OSError, HTTPError) as error:
        raise Unavailable(f"{url} does not answer: {type(error).__name__}") from error
    finally:
        session.close()


def _ahead(date: str | None, began: float, ended: float) -> float | None:
    """Tell the least that a clock can be wrong by, when it was read between two moments."""
    try:
        told = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
    return ahead(told, told + _COARSE_SECONDS, began, ended)


def ahead(first: float, last: float, began: float, ended: float) -> float:
    """Tell how far a clock is before ours at least; negative: behind.

    Args:
        first, last: between which it stood when it was read.
        began, ended: between which that was by our clock.
    """
    if first > ended:
        return first - ended
    return min(0.0, last - began)


def version(name: str, told: object) -> list[Wrong]:
    """Compare the version of what is deployed with this one."""
    if told == VERSION:
        return []
    found = f"{name} is version {told or 'that it does not tell'}"
    change = f"deploy {name} anew from here, or use its imagectl"
    return [Wrong(found, f"{VERSION}, as here", change)]
