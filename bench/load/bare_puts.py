"""The same bytes put into MinIO by nobody in between: what an upload cannot be faster than."""

from __future__ import annotations

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from itertools import count

from minio import Minio

from bench.checks import BenchFailed
from bench.load.drain import Images
from bench.stacks.stack import BenchStack
from pipeline.access.accounts import MINIO
from pipeline.ids import INPUT_BUCKET

_TIMEOUT_SECONDS = 60.0
_LIFETIME = timedelta(hours=1)


class BarePuts:
    """A closed loop of so many clients, each with one kept-alive connection."""

    def __init__(self, stack: BenchStack, threads: int) -> None:
        settings = stack.settings
        root = settings.secrets.login(MINIO).now()
        self._endpoint = settings.minio_endpoint
        self._threads = threads
        self._names = count()
        self._client = Minio(
            settings.minio_endpoint,
            access_key=root.name,
            secret_key=root.password,
            secure=False,
            region="us-east-1",
        )

    def per_second(self, image: Images, images: int) -> float:
        """Put so many images; tell how many a second were taken."""
        paths = [self._signed() for _ in range(images)]
        numbers = count()

        def work() -> None:
            connection = http.client.HTTPConnection(self._endpoint, timeout=_TIMEOUT_SECONDS)
            with closing(connection):
                while (number := next(numbers)) < images:
                    _put(connection, paths[number], image(number))

        started = time.monotonic()
        with ThreadPoolExecutor(self._threads) as pool:
            for done in [pool.submit(work) for _ in range(self._threads)]:
                done.result()
        return images / (time.monotonic() - started)

    def _signed(self) -> str:
        key = f"bench/{next(self._names)}.jpg"
        url = self._client.presigned_put_object(INPUT_BUCKET, key, expires=_LIFETIME)
        return url.partition(self._endpoint)[2]


def _put(connection: http.client.HTTPConnection, path: str, data: bytes) -> None:
    connection.request("PUT", path, data, {"Content-Type": "image/jpeg"})
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise BenchFailed(f"MinIO answered {response.status} to a PUT")
