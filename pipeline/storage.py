"""MinIO: how objects are put, created once, read and listed.

`python -m pipeline.storage` makes the buckets. The data path signs its own URLs with the SDK and
sends them over one connection pool: that is public API, lets a PUT carry `If-None-Match`, and costs
a third of the SDK's own call.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Self
from urllib.parse import quote

import urllib3
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError, TimeoutError

from pipeline import telemetry
from pipeline.errors import Unavailable
from pipeline.ids import BUCKETS
from pipeline.s3 import METADATA, Described, Listed, page_url, read_page
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

# Given, so that the SDK does not ask for it: a least-privilege user may not.
_REGION = "us-east-1"
_URL_LIFETIME = timedelta(minutes=5)
_CONNECTIONS = 32


class _Repeat(urllib3.Retry):
    """Repeats what broke off, not what took too long: a caller waits for one timeout, not two."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Self:
        """Count a failed request; raises its error when it is not to be repeated."""
        if isinstance(error, TimeoutError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


class ObjectStore:
    """One connection pool to MinIO; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._http = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            timeout=urllib3.Timeout(
                connect=settings.store_timeout_seconds, read=settings.store_timeout_seconds
            ),
            # One more try for a kept-alive connection that the server had closed; all requests
            # made here may be repeated.
            retries=_Repeat(1, redirect=0, status=0, backoff_factor=0, allowed_methods=None),
        )
        self._endpoint = settings.minio_endpoint
        self._credentials = Credentials(
            settings.secret("minio-access-key"), settings.secret("minio-secret-key")
        )
        self._client = Minio(
            settings.minio_endpoint,
            access_key=self._credentials.access_key,
            secret_key=self._credentials.secret_key,
            secure=False,
            region=_REGION,
            http_client=self._http,
        )

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Write an object, over an older one if there is one.

        Raises:
            Unavailable: the store did not confirm it.
        """
        self._send("PUT", bucket, key, {200}, data, {"Content-Type": content_type})

    def create(
        self,
        bucket: str,
        key: str,
        data: bytes,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Write an object unless its key is taken; True when this call wrote it.

        Args:
            metadata: kept with the object; names and values are ASCII, 2 KB in all.

        Raises:
            Unavailable: the store did not confirm it.
        """
        headers = {"Content-Type": content_type, "If-None-Match": "*"}
        # In the address, where S3 takes them as it does headers, since that is what is signed.
        kept = {METADATA + name: value for name, value in (metadata or {}).items()}
        return self._send("PUT", bucket, key, {200, 412}, data, headers, kept).status == 200

    def get(self, bucket: str, key: str) -> bytes | None:
        """Read an object; None when there is none.

        Raises:
            Unavailable: the store did not answer.
        """
        response = self._send("GET", bucket, key, {200, 404})
        return response.data if response.status == 200 else None

    def exists(self, bucket: str, key: str) -> bool:
        """Tell whether the key is taken.

        Raises:
            Unavailable: the store did not answer.
        """
        return self._send("HEAD", bucket, key, {200, 404}).status == 200

    def describe(self, bucket: str, key: str) -> Described | None:
        """Tell what is known of an object; None when there is none.

        Raises:
            Unavailable: the store did not answer.
        """
        response = self._send("HEAD", bucket, key, {200, 404})
        return None if response.status == 404 else Described.from_headers(response.headers)

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """List the keys that start so, in the order of their bytes.

        Raises:
            Unavailable: the store did not answer.
        """
        return (each.key for each in self.listed(bucket, prefix))

    def listed(self, bucket: str, prefix: str) -> Iterator[Listed]:
        """List the objects whose keys start so, in the order of the keys' bytes.

        Read page by page as it is consumed, and with a thirtieth of the SDK's work for each.

        Raises:
            Unavailable: the store did not answer.
        """
        token, address = "", f"{self._endpoint}/{bucket}"
        seconds = int(_URL_LIFETIME.total_seconds())
        while True:
            url = page_url(address, self._credentials, _REGION, prefix, token, seconds)
            page = self._request("GET", url)
            if page.status != 200:
                raise Unavailable(f"MinIO answered {page.status} to a listing of {bucket}")
            found, token = read_page(page.data)
            yield from found
            if not token:
                return

    def make_buckets(self) -> None:
        """Create the buckets that are missing.

        Raises:
            Unavailable: the store did not answer.
        """
        try:
            for bucket in BUCKETS:
                if not self._client.bucket_exists(bucket):
                    self._client.make_bucket(bucket)
                    logger.info("bucket created", extra={"bucket": bucket})
        except (MinioException, HTTPError) as error:
            raise _unavailable(error) from error

    def _send(
        self,
        method: str,
        bucket: str,
        key: str,
        expected: set[int],
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        asked: dict[str, str | list[str] | tuple[str]] = {**(query or {})}
        url = self._client.get_presigned_url(
            method, bucket, key, expires=_URL_LIFETIME, extra_query_params=asked
        )
        response = self._request(method, url, data, headers)
        # 404 of a missing bucket is no answer about an object.
        if response.status not in expected or b"NoSuchBucket" in response.data[:300]:
            raise Unavailable(
                f"MinIO answered {response.status} to {method} {bucket}/{quote(key)}:"
                f" {response.data[:300].decode(errors='replace')}"
            )
        return response

    def _request(
        self,
        method: str,
        url: str,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._http.request(method, url, body=data, headers=headers)
        except HTTPError as error:
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> Unavailable:
    reason = error.code if isinstance(error, S3Error) else type(error).__name__
    return Unavailable(f"MinIO does not answer: {reason}")


if __name__ == "__main__":
    settings = Settings.from_env(os.environ)
    telemetry.configure("storage", settings.log_level)
    ObjectStore(settings).make_buckets()
