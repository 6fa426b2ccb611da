"""Idempotency-Key: a request that is sent again is the same submission, and makes the same jobs.

What a key stands for lies in MinIO, created once; that somebody works on it, and that it is done,
are marks in Redis. See docs/decisions/0035-a-key-and-its-jobs.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.errors import Conflict, KeyReused, Rejected, Unavailable
from pipeline.http.web import MAX_FOUND_CHARACTERS, Call
from pipeline.ids import KEY_BUCKET, Job, JobIds, submission_key
from pipeline.storage.marks import Marks
from pipeline.storage.object_store import ObjectStore

HEADER = "Idempotency-Key"

_MOST_CHARACTERS = 255
# A string of RFC 9651, as the draft has it, or the same without quotes, as most clients send it.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"')
_BARE = re.compile(r"[!#-+\--~]+")
_NONCES = 1 << 64
# What a mark says: who works on the key, or which submission is done.
_BUSY, _DONE = "busy:", "done:"


def key_of(call: Call) -> str | None:
    """Read the key of a request; None where it has none.

    Raises:
        Rejected: it is none.
    """
    text = call.headers.get(HEADER)
    if text is None:
        return None
    quoted = _QUOTED.fullmatch(text)
    key = quoted[1] if quoted else text
    if len(key) > _MOST_CHARACTERS or not (quoted or _BARE.fullmatch(text)):
        found = text[:MAX_FOUND_CHARACTERS]
        raise Rejected(
            f"{HEADER} is {found!r}, which is no key",
            code="bad-idempotency-key",
            found=found,
            allowed=f'1 to {_MOST_CHARACTERS} printable ASCII characters, such as "8e03978e-40d5"',
        )
    return key


def name_of(tenant: str, key: str) -> str:
    """Name a key's object, and its mark."""
    return submission_key(tenant, hashlib.sha256(key.encode()).hexdigest())


def call_id_of(call: Call) -> str:
    """Name a request as OpenFaaS does: one that is handed to another replica keeps its name."""
    return call.headers.get("X-Call-Id") or call.trace_id


@dataclass(frozen=True)
class Submission:
    """What a key stands for: of which images, and what their job ids are made of.

    Attributes:
        signer: the name of the key that signs them; that is told to nobody.
    """

    fingerprint: str
    accepted_ms: int
    nonce: int
    model_id: str
    signer: str

    @classmethod
    def from_json(cls, text: bytes) -> Submission:
        """Read what `to_json` wrote."""
        said = json.loads(text)
        return cls(
            said["fingerprint"],
            said["acceptedMs"],
            said["nonce"],
            said["modelId"],
            said["signer"],
        )

    def to_json(self) -> bytes:
        """Write it; the job ids themselves are told to the client alone."""
        said = {
            "fingerprint": self.fingerprint,
            "acceptedMs": self.accepted_ms,
            "nonce": self.nonce,
            "modelId": self.model_id,
            "signer": self.signer,
        }
        return json.dumps(said).encode()


class Turn:
    """One request with a key, while it is worked on.

    Attributes:
        is_done: an earlier one has done all there is to do.
        is_repeated: there was an earlier one, which may have done something.
    """

    def __init__(self, keys: Keys, tenant: str, key: str, own: str, found: str | None) -> None:
        self._keys = keys
        self._tenant = tenant
        self._key = key
        self._own = own
        self._found = found or own
        self._submission: Submission | None = None
        self.is_done = False
        self.is_repeated = False
        self.is_finished = False

    def open(self, images: Sequence[str]) -> None:
        """Find out, once, what the key stands for; from now on it is these images.

        Raises:
            KeyReused: it stands for others.
            Conflict: another request has begun to use it anew.
            Unavailable: MinIO does not answer.
        """
        if self._submission is None:
            fingerprint = hashlib.sha256("\n".join(images).encode()).hexdigest()
            found, self.is_repeated = self._keys.submission(
                name_of(self._tenant, self._key), fingerprint, self._hold
            )
            self._submission = found
            self.is_done = self.is_repeated and self._found == _done(found)
            if not self.is_done:
                self._hold()

    def job(self, number: int, image: str) -> Job:
        """Name the job of one of the images: the same each time."""
        submission = self._submission
        assert submission
        accepted_at = datetime.fromtimestamp(submission.accepted_ms / 1000, UTC)
        nonce = ((submission.nonce + number) % _NONCES).to_bytes(8, "big")
        about = (self._tenant, image, submission.model_id, accepted_at)
        return Job(self._keys.job_ids.issue(*about, nonce, submission.signer), *about)

    def finish(self) -> None:
        """Note that every image is accepted, or refused for good."""
        self.is_finished = True

    def last_mark(self) -> str | None:
        """Tell what is to take the place of this request's mark; None: it has none."""
        if self._found != self._own:
            return None
        return _done(self._submission) if self.is_finished and self._submission else ""

    def _hold(self) -> None:
        """Work on the key as the only one: the mark that is there is of an older submission."""
        if self._found != self._own:
            self._keys.take_over(self._tenant, self._key, self._found, self._own)
            self._found = self._own


class Keys:
    """Knows the keys of all tenants; safe to share between threads."""

    def __init__(
        self,
        store: ObjectStore,
        marks: Marks,
        job_ids: JobIds,
        model_id: str,
        *,
        ttl_seconds: int,
        busy_seconds: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.job_ids = job_ids
        self._store = store
        self._marks = marks
        self._model_id = model_id
        self._ttl_seconds = ttl_seconds
        self._busy_seconds = busy_seconds
        self._clock = clock

    @contextmanager
    def turn(self, tenant: str, key: str, call_id: str) -> Iterator[Turn]:
        """Work on the request of a key, as the only one that does.

        Args:
            call_id: of the request: one that is handed to another replica keeps it.

        Raises:
            Conflict: another request with this key is being worked on.
        """
        name, own = name_of(tenant, key), _BUSY + call_id
        is_marked = not self._marks.rests
        other = self._marks.take(name, own, self._busy_seconds)
        if other not in (None, own) and not str(other).startswith(_DONE):
            raise _in_use(key)
        turn = Turn(self, tenant, key, own, other)
        try:
            yield turn
        finally:
            if (last := turn.last_mark()) is not None:
                # Else it would keep the next ones away for long.
                self._marks.end(name, own, last, self._ttl_seconds, is_marked=is_marked)

    def take_over(self, tenant: str, key: str, old: str, own: str) -> None:
        """Set a request's mark in the place of an old one.

        Raises:
            Conflict: another request has done so.
        """
        if self._marks.swap(name_of(tenant, key), old, own, self._busy_seconds) is False:
            raise _in_use(key)

    def submission(
        self, name: str, fingerprint: str, hold: Callable[[], None]
    ) -> tuple[Submission, bool]:
        """Tell what a key stands for, and whether it did before.

        Args:
            hold: called before it is to stand for something new.

        Raises:
            KeyReused: it stands for other images.
            Conflict: another request has begun to use it anew.
            Unavailable: MinIO does not answer.
        """
        now_ms = int(self._clock().timestamp() * 1000)
        nonce = int.from_bytes(os.urandom(8), "big")
        new = Submission(fingerprint, now_ms, nonce, self._model_id, self.job_ids.signer())
        if self._store.create(KEY_BUCKET, name, new.to_json(), "application/json"):
            return new, False
        stored = self._store.get(KEY_BUCKET, name)
        if stored is None:
            raise Unavailable("what the Idempotency-Key stands for cannot be read")
        found = Submission.from_json(stored)
        is_over = now_ms - found.accepted_ms > self._ttl_seconds * 1000
        if not is_over and found.fingerprint != fingerprint:
            raise KeyReused(
                f"this {HEADER} stands for other images, sent in the last"
                f" {self._ttl_seconds} seconds; send these with another one",
                found=fingerprint,
                allowed=found.fingerprint,
            )
        if not is_over and self.job_ids.knows(found.signer):
            return found, True
        hold()  # also where its jobs are none any more, as their key was rotated away
        self._store.put(KEY_BUCKET, name, new.to_json(), "application/json")
        return new, False


def _done(submission: Submission) -> str:
    """Mark one submission as done: a later one with the same key is another."""
    return f"{_DONE}{submission.nonce:016x}"


def _in_use(key: str) -> Conflict:
    return Conflict(
        f"a request with this {HEADER} is being worked on; send it again in a second",
        code="idempotency-key-in-use",
        found=key[:MAX_FOUND_CHARACTERS],
        allowed="one request at a time",
    )
