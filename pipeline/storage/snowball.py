"""Several small objects in one request: a tar archive that MinIO unpacks into a bucket.

An extension of S3, named after the AWS device that had it first. Each object is written over an
older one of its key, whatever is asked: not for objects that are created once.
"""

from __future__ import annotations

import tarfile
import time
from collections.abc import Mapping

# The archive itself is not kept under any key.
KEY = "snowball.tar"
HEADERS = {"content-type": "application/x-tar", "x-amz-meta-snowball-auto-extract": "true"}

_BLOCK_BYTES = 512


def pack(objects: Mapping[str, bytes]) -> bytes:
    """Write an archive of objects by their keys, of at most 255 bytes each."""
    parts: list[bytes] = []
    now = int(time.time())
    for key, data in objects.items():
        member = tarfile.TarInfo(key)
        member.size, member.mtime = len(data), now
        parts += (member.tobuf(tarfile.USTAR_FORMAT), data, bytes(-len(data) % _BLOCK_BYTES))
    return b"".join([*parts, bytes(2 * _BLOCK_BYTES)])
