"""MinIO encrypts what it is given: its drive is looked into, with encryption and without."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import pytest
from minio import Minio
from minio.commonconfig import SnowballObject
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from local.services import credentials
from local.services.progress import StepFailed
from local.services.servers import minio
from local.services.settings import Stack
from pipeline.ids import BUCKETS
from tests import pictures
from tests.ports import free_ports
from tests.stack import until


@contextmanager
def running(folder: Path, **told: str) -> Iterator[Minio]:
    """Run MinIO as a local stack does, with its buckets; the SDK's client, as its root."""
    port, console = free_ports(2)
    stack = Stack.from_env(
        {
            **({"CACHE_DIR": os.environ["CACHE_DIR"]} if "CACHE_DIR" in os.environ else {}),
            **{"STATE_DIR": str(folder), "MINIO_PORT": str(port), **told},
            "MINIO_CONSOLE_PORT": str(console),
        }
    )
    credentials.make(stack)
    minio.prepare(stack)
    user, password = (credentials.read(stack, f"minio-{it}-key") for it in ("access", "secret"))
    client = Minio(f"127.0.0.1:{port}", user, password, secure=False, region="us-east-1")
    with (folder / "minio.log").open("ab") as log:
        process = subprocess.Popen(
            minio.command(stack),
            env={**os.environ, **minio.environment(stack)},
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: has_buckets(client))
        yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def has_buckets(client: Minio) -> bool:
    """Make those that are missing, once MinIO answers."""
    with suppress(HTTPError, MinioException):
        for bucket in BUCKETS:
            if not client.bucket_exists(bucket):
                client.make_bucket(bucket)
        return True
    return False


def put(client: Minio, bucket: str, key: str, data: bytes) -> None:
    client.put_object(bucket, key, BytesIO(data), len(data), "image/jpeg")


def put_together(client: Minio, bucket: str, objects: dict[str, bytes]) -> None:
    """Write several in one request, as functions do."""
    parts = [SnowballObject(key, data=BytesIO(it), length=len(it)) for key, it in objects.items()]
    client.upload_snowball_objects(bucket, parts)


def read(client: Minio, bucket: str, key: str) -> bytes:
    answer = client.get_object(bucket, key)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


def lies_in(folder: Path, data: bytes) -> list[str]:
    """The files below a folder that a part of these bytes can be read in."""
    piece = data[len(data) // 2 :][:64]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path.name for path in files if piece in path.read_bytes()]


def test_no_bytes_of_a_picture_lie_on_the_drive(tmp_path: Path) -> None:
    picture, small = pictures.fresh("one"), b'{"labels": "%s"}' % os.urandom(40).hex().encode() * 3

    with running(tmp_path) as store:
        for bucket in BUCKETS:
            put(store, bucket, "one", picture)
            put_together(store, bucket, {"two": picture, "three": small})
            found = [read(store, bucket, key) for key in ("one", "two", "three")]
            assert found == [picture, picture, small]

    drive = tmp_path / "data" / "minio"
    assert [lies_in(drive, each) for each in (picture, small)] == [[], []]


def test_the_same_is_found_where_nothing_is_encrypted(tmp_path: Path) -> None:
    picture = pictures.fresh("one")

    with running(tmp_path, ENCRYPT_AT_REST="0") as store:
        put(store, "input-images", "one", picture)

    assert lies_in(tmp_path / "data" / "minio", picture)


def test_what_was_written_before_and_after_is_read(tmp_path: Path) -> None:
    before, after = pictures.fresh("before"), pictures.fresh("after")
    with running(tmp_path, ENCRYPT_AT_REST="0") as store:
        put(store, "input-images", "before", before)
    with running(tmp_path) as store:
        put(store, "input-images", "after", after)

        assert [read(store, "input-images", it) for it in ("before", "after")] == [before, after]

    with running(tmp_path, ENCRYPT_AT_REST="0") as store:
        assert [read(store, "input-images", it) for it in ("before", "after")] == [before, after]


def test_another_key_is_refused_before_anything_starts(tmp_path: Path) -> None:
    stack = Stack.from_env({"STATE_DIR": str(tmp_path)})
    credentials.make(stack)
    minio.prepare(stack)
    kept = stack.encryption_key_file.read_text()
    stack.encryption_key_file.unlink()  # lost: the next start makes another
    credentials.make(stack)

    with pytest.raises(StepFailed, match="is not the key"):
        minio.prepare(stack)

    stack.encryption_key_file.write_text(kept)
    minio.prepare(stack)


def test_the_key_is_its_owners_and_no_function_can_ask_for_it(tmp_path: Path) -> None:
    stack = Stack.from_env({"STATE_DIR": str(tmp_path)})
    credentials.make(stack)

    assert stack.encryption_key_file.stat().st_mode & 0o777 == 0o600
    assert not list(stack.secrets_dir.glob("*encryption*"))
