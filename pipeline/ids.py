"""How images, jobs and their objects are named."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.errors import NotFound, Unavailable

INPUT_BUCKET = "input-images"
PROCESSED_BUCKET = "processed-images"
RESULT_BUCKET = "classification-results"
MODEL_BUCKET = "models"
CALL_BUCKET = "function-calls"
KEY_BUCKET = "idempotency-keys"
TENANT_BUCKET = "tenants"
BUCKETS = (
    INPUT_BUCKET,
    PROCESSED_BUCKET,
    RESULT_BUCKET,
    MODEL_BUCKET,
    CALL_BUCKET,
    KEY_BUCKET,
    TENANT_BUCKET,
)

FAILURES_PREFIX = "failures/"
CANCELLED_PREFIX = "cancelled/"

# Two names begin keys of ours, where results of a tenant of that name would lie, too.
TENANT_PATTERN = re.compile(r"(?!(?:failures|cancelled)$)[a-z0-9][a-z0-9-]{0,62}")
IMAGE_ID_PATTERN = re.compile(r"[0-9a-f]{64}")
MODEL_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")

_VERSION = 1
_TIME_BYTES = 6  # milliseconds since 1970: enough until the year 10889
_NONCE_BYTES = 8
_IMAGE_BYTES = 32
_MAC_BYTES = 16
_NO_NONCE = bytes(_NONCE_BYTES)
_HEAD_BYTES = 1 + _TIME_BYTES + _NONCE_BYTES + _IMAGE_BYTES


def image_id(data: bytes) -> str:
    """Name an image by its content: SHA-256, lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def input_key(tenant: str, image: str, extension: str) -> str:
    """Name the uploaded bytes in `input-images`."""
    return f"{tenant}/{image[:2]}/{image}.{extension}"


def processed_key(tenant: str, image: str, preprocessing: str) -> str:
    """Name the picture that the model saw in `processed-images`."""
    return f"{tenant}/{image[:2]}/{image}.{preprocessing}.jpg"


def result_key(tenant: str, image: str, model: str) -> str:
    """Name a result in `classification-results`."""
    return f"{tenant}/{image[:2]}/{image}/{model}.json"


def failure_key(tenant: str, job: str) -> str:
    """Name a failure in `classification-results`."""
    return f"{FAILURES_PREFIX}{tenant}/{job}.json"


def retried_key(tenant: str, job: str) -> str:
    """Name what says in a listing that a failed job was ever tried anew."""
    return f"{FAILURES_PREFIX}{tenant}/{job}.retried"


def cancelled_key(tenant: str, job: str, replays: int, what: str) -> str:
    """Name what is asked or decided of a job's end in `classification-results`."""
    return f"{CANCELLED_PREFIX}{tenant}/{job}.{replays}.{what}"


def call_key(event: str, *, is_answer: bool = False) -> str:
    """Name the large body of an asynchronous call, or of its answer, in `function-calls`."""
    return f"{event[:2]}/{event}{'.answer' if is_answer else ''}"


def submission_key(tenant: str, digest: str) -> str:
    """Name what a client's Idempotency-Key of this digest stands for, in `idempotency-keys`."""
    return f"{tenant}/{digest[:2]}/{digest}.json"


@dataclass(frozen=True)
class Job:
    """What a job id says of itself."""

    job_id: str
    tenant: str
    image_id: str
    model_id: str
    accepted_at: datetime


def image_and_model(job_id: str) -> tuple[str, str] | None:
    """Read what a job id is about without the key that proves it genuine; None if it is no id."""
    payload = _decode(job_id)[:-_MAC_BYTES]
    if len(payload) <= _HEAD_BYTES or payload[0] != _VERSION:
        return None
    image = payload[_HEAD_BYTES - _IMAGE_BYTES : _HEAD_BYTES].hex()
    model = payload[_HEAD_BYTES:].decode(errors="replace")
    return (image, model) if MODEL_ID_PATTERN.fullmatch(model) else None


class JobIds:
    """Issues and checks job ids: a valid one is the proof that a submission was accepted.

    A job id is base64url over version, acceptance time, nonce, image id, model id and an
    HMAC-SHA-256 over these and the tenant, so every replica can answer for every job without a
    table.

    Args:
        signing_keys: one, or what tells those that are valid now. The first one signs: with it what
            an older one has signed is still an id.
    """

    def __init__(self, signing_keys: str | Callable[[], tuple[str, ...]]) -> None:
        only = (signing_keys,) if isinstance(signing_keys, str) else ()
        self._keys = (lambda: only) if isinstance(signing_keys, str) else signing_keys

    def issue(
        self,
        tenant: str,
        image: str,
        model: str,
        accepted_at: datetime,
        nonce: bytes | None = None,
        signer: str | None = None,
    ) -> str:
        """Make the id of a new job; with a nonce of eight bytes and a signer, the same every time.

        Args:
            signer: one that `signer` told, and `knows`; None: the key that signs now.

        Raises:
            Unavailable: the signer is known no more.
        """
        if nonce is None:
            nonce = os.urandom(_NONCE_BYTES)
        key = self._key_of(signer) if signer else self._keys()[0]
        if key is None:
            raise Unavailable("the key that signed these jobs was just rotated away")
        return self._issue(tenant, image, model, accepted_at, nonce, key)

    def signer(self) -> str:
        """Name the key that signs now, without telling it."""
        return _fingerprint(self._keys()[0])

    def knows(self, signer: str) -> bool:
        """Tell whether what this key has signed is still an id."""
        return self._key_of(signer) is not None

    def _key_of(self, signer: str) -> str | None:
        return next((key for key in self._keys() if _fingerprint(key) == signer), None)

    def reissue(self, tenant: str, image: str, model: str, stored_at: float) -> Job:
        """Make a job for a stored image that nobody remembers one of: the same one every time."""
        accepted_at = datetime.fromtimestamp(stored_at, UTC)
        key = self._keys()[0]
        return self.read(self._issue(tenant, image, model, accepted_at, _NO_NONCE, key), tenant)

    def read(self, job_id: str, tenant: str) -> Job:
        """Open a job id.

        Raises:
            NotFound: it was never issued, or to another tenant.
        """
        raw = _decode(job_id)
        payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        keys = self._keys()
        genuine = any(hmac.compare_digest(mac, _mac(key, tenant, payload)) for key in keys)
        if not genuine or len(payload) <= _HEAD_BYTES or payload[0] != _VERSION:
            raise NotFound("no such job", code="job-not-found", found=job_id[:200])
        milliseconds = int.from_bytes(payload[1 : 1 + _TIME_BYTES], "big")
        return Job(
            job_id=job_id,
            tenant=tenant,
            image_id=payload[_HEAD_BYTES - _IMAGE_BYTES : _HEAD_BYTES].hex(),
            model_id=payload[_HEAD_BYTES:].decode(),
            accepted_at=datetime.fromtimestamp(milliseconds / 1000, UTC),
        )

    def _issue(
        self, tenant: str, image: str, model: str, accepted_at: datetime, nonce: bytes, key: str
    ) -> str:
        milliseconds = int(accepted_at.timestamp() * 1000)
        payload = (
            bytes([_VERSION])
            + milliseconds.to_bytes(_TIME_BYTES, "big")
            + nonce
            + bytes.fromhex(image)
            + model.encode()
        )
        return _encode(payload + _mac(key, tenant, payload))


def _fingerprint(key: str) -> str:
    # Keyed like an id, and of no tenant's: as little is told of the key as an id tells.
    return _mac(key, "", b"fingerprint").hex()


def _mac(key: str, tenant: str, payload: bytes) -> bytes:
    # The zero byte parts tenant and payload: a tenant's name cannot hold one.
    message = tenant.encode() + b"\0" + payload
    return hmac.new(key.encode(), message, hashlib.sha256).digest()[:_MAC_BYTES]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Undo `_encode`; anything else gives bytes no HMAC fits."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    # Base64 leaves unused bits in the last character: only one spelling is an id.
    return raw if _encode(raw) == text else b""
