"""What the buckets hold, every version of it: an object that was overwritten shows."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from minio import Minio
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig

from pipeline.access.accounts import MINIO
from pipeline.ids import INPUT_BUCKET, PROCESSED_BUCKET, RESULT_BUCKET
from tests.chaos.traces import Evidence, Failure, Image, Result
from tests.stack import Stack

_FAILURES = "failures/"
_READERS = 8
# Read ahead of those being parsed: bodies are never held all at once.
_CHUNK = 1000


def keep_versions(stack: Stack) -> None:
    """Let MinIO keep overwritten and deleted results too, so that they can be counted."""
    client(stack).set_bucket_versioning(RESULT_BUCKET, VersioningConfig(ENABLED))


def make(stack: Stack, bucket: str) -> None:
    """Make a bucket that keeps every version."""
    minio = client(stack)
    minio.make_bucket(bucket)
    minio.set_bucket_versioning(bucket, VersioningConfig(ENABLED))


def versions(stack: Stack, bucket: str) -> Iterator[str]:
    """List a bucket's keys, one for each version."""
    return _keys(client(stack), bucket, include_version=True)


def collect(stack: Stack, evidence: Evidence) -> None:
    """Read all buckets into the evidence."""
    minio = client(stack)
    evidence.inputs = {_image(key) for key in _keys(minio, INPUT_BUCKET)}
    evidence.processed = {_image(key) for key in _keys(minio, PROCESSED_BUCKET)}
    versions = Counter(_keys(minio, RESULT_BUCKET, include_version=True))
    for key, body in _bodies(stack, list(versions)):
        if key.startswith(_FAILURES) and key.endswith(".retried"):
            continue
        if key.startswith(_FAILURES):
            _, tenant, job = key.removesuffix(".json").split("/")
            evidence.failures[job] = _failure(tenant, body, versions[key])
        else:
            tenant, _, image, model = key.removesuffix(".json").split("/")
            evidence.results[tenant, image, model] = _result(body, versions[key])


def client(stack: Stack) -> Minio:
    """The SDK, as root."""
    settings = stack.settings
    root = settings.secrets.login(MINIO).now()
    return Minio(
        settings.minio_endpoint, access_key=root.name, secret_key=root.password, secure=False
    )


def _keys(client: Minio, bucket: str, include_version: bool = False) -> Iterator[str]:
    """List keys, one for each version; a deletion is a version too."""
    for item in client.list_objects(bucket, recursive=True, include_version=include_version):
        yield str(item.object_name)


def _image(key: str) -> Image:
    tenant, _, name = key.split("/")
    return tenant, name.partition(".")[0]


def _bodies(stack: Stack, keys: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    store = stack.store

    def read(key: str) -> tuple[str, dict[str, Any] | None]:
        body = store.get(RESULT_BUCKET, key)
        return key, json.loads(body) if body is not None else None

    with ThreadPoolExecutor(_READERS) as pool:
        for first in range(0, len(keys), _CHUNK):
            for key, body in pool.map(read, keys[first : first + _CHUNK]):
                if body is not None:  # deleted: it is not there, and the checker misses it
                    yield key, body


def _result(body: dict[str, Any], versions: int) -> Result:
    # Two interned texts: 100,000 results say the same of their model.
    digests = {
        sys.intern(name): sys.intern(text) for name, text in body["model"]["digests"].items()
    }
    return Result(
        image_id=body["imageId"],
        model_id=sys.intern(body["modelId"]),
        label=sys.intern(body["labels"][0]["label"]),
        digests=tuple(sorted(digests.items())),
        versions=versions,
    )


def _failure(tenant: str, body: dict[str, Any], versions: int) -> Failure:
    error = body.get("error") or {}
    return Failure(
        tenant=tenant,
        image_id=str(body.get("imageId")),
        reason=f"{error.get('code', '')}: {error.get('detail', '')}".strip(": "),
        versions=versions,
    )
