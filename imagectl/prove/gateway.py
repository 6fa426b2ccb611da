"""The deployment as its users see it: HTTP with an API key, and what a patient client does."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from imagectl.fields import fields_of
from imagectl.prove.line import CannotProve

NO_ANSWER = 0
# What says: come again. No answer at all is what a client gets from what was just killed.
AGAIN = frozenset({NO_ANSWER, 429, 503})
_REQUEST_SECONDS = 90.0  # the gateway gives up first, and says so
_PAUSE_SECONDS = 0.2
_WHERE = "--url or GATEWAY_URL says where it is"
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Answer:
    """One answer; status 0 when there was none."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    seconds: float

    @property
    def words(self) -> str:
        """Status and the beginning of the body, for a person."""
        return f"{self.status}: {self.body[:200].decode(errors='replace').strip()}"

    def json(self) -> dict[str, Any]:
        """The body's fields; none where it is no JSON object."""
        return fields_of(self.body)


@dataclass(frozen=True)
class Job:
    """A picture that was accepted."""

    data: bytes
    job_id: str
    image_id: str
    accepted_at: float

    @property
    def digest(self) -> str:
        """What the image's id must be."""
        return hashlib.sha256(self.data).hexdigest()


class Gateway:
    """A client; safe to use from several threads.

    Args:
        authority: file of whoever vouches for its certificate; None: those that everybody trusts.
    """

    def __init__(self, url: str, api_key: str, authority: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._api_key = api_key
        self._authority = authority
        self._local = threading.local()

    def check(self) -> None:
        """See whether the deployment answers and knows the key.

        Raises:
            CannotProve: says what was answered.
        """
        answer = self.job("unknown")
        if answer.status == NO_ANSWER:
            reason = answer.body.decode()
            where = "TLS_CA_FILE says who vouches for it" if reason == "SSLError" else _WHERE
            raise CannotProve(f"{self.url} does not answer ({reason}); {where}")
        if answer.status != 404:
            detail = answer.json().get("detail", "")
            raise CannotProve(f"{self.url} answers {answer.status}, expected 404: {detail}")

    def upload(self, data: bytes) -> Answer:
        """Send a picture once."""
        return self.send("POST", "/api/v1/images", data)

    def job(self, job_id: str) -> Answer:
        """Ask for a job."""
        return self.send("GET", f"/api/v1/jobs/{job_id}")

    def image(self, image_id: str) -> Answer:
        """Ask for an image's result."""
        return self.send("GET", f"/api/v1/images/{image_id}")

    def labels(self, data: bytes, seconds: float) -> Answer:
        """Ask the model itself, which stores nothing; again while it says so."""
        return self._patiently("POST", "/function/image-classifier", data, seconds)

    def result(self, image_id: str, seconds: float) -> Answer:
        """Ask for an image's result; again while the deployment says so."""
        return self._patiently("GET", f"/api/v1/images/{image_id}", None, seconds)

    def accept(self, data: bytes, seconds: float) -> Job | Answer:
        """Send a picture until it is accepted or refused for good; then the last answer."""
        answer = self._patiently("POST", "/api/v1/images", data, seconds)
        return self.job_of(data, answer) or answer

    def job_of(self, data: bytes, answer: Answer) -> Job | None:
        """Take the job out of a 202; None when the picture was not accepted."""
        body = answer.json()
        if answer.status != 202 or "jobId" not in body or "imageId" not in body:
            return None
        return Job(data, str(body["jobId"]), str(body["imageId"]), time.monotonic())

    def send(self, method: str, path: str, data: bytes | None = None) -> Answer:
        """Send one request."""
        started = time.monotonic()
        try:
            response = self._session().request(
                method, self.url + path, data=data, timeout=_REQUEST_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            reason = type(error).__name__.encode()
            return Answer(NO_ANSWER, reason, {}, time.monotonic() - started)
        seconds = time.monotonic() - started
        return Answer(response.status_code, response.content, response.headers, seconds)

    def _patiently(self, method: str, path: str, data: bytes | None, seconds: float) -> Answer:
        deadline = time.monotonic() + seconds
        while True:
            answer = self.send(method, path, data)
            left = deadline - time.monotonic()
            if answer.status not in AGAIN or left <= 0:
                return answer
            time.sleep(min(_pause_seconds(answer), left))

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False  # no proxy and no .netrc in between
            self._local.session.verify = self._authority or True
            self._local.session.headers["X-Api-Key"] = self._api_key
        session: requests.Session = self._local.session
        return session


def _pause_seconds(answer: Answer) -> float:
    told = answer.headers.get("Retry-After", "")
    return min(float(told), _LONGEST_PAUSE_SECONDS) if told.isdecimal() else _PAUSE_SECONDS
