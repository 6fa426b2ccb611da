"""MinIO: how objects are put, created once, read and listed.

Requests are signed here, not by the SDK, so that a PUT can carry `If-None-Match`, several go
together, and each costs a tenth of the SDK's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from urllib.parse import quote

from pipeline import trust
from pipeline.access.accounts import MINIO
from pipeline.access.login import Login
from pipeline.errors import Refused, Unavailable
from pipeline.settings import Settings
from pipeline.storage import snowball
from pipeline.storage.connections import Answer, Connections, Request
from pipeline.storage.s3 import METADATA, Described, Listed, Page, is_final, page_query, read_page
from pipeline.storage.signing import REGION, Signer

_CREATE = {"if-none-match": "*"}


class ObjectStore:
    """One connection pool to MinIO; safe to share between threads.

    Whatever raises Unavailable raises Refused where trying again would not help: `s3.is_final`.
    """

    def __init__(self, settings: Settings) -> None:
        self._login = settings.secrets.login(MINIO)
        context = trust.context(settings) if settings.minio_tls else None
        self._connections = Connections(
            settings.minio_endpoint, settings.store_timeout_seconds, context
        )
        self._speaks_tls = context is not None
        self._endpoint = settings.minio_endpoint
        self._signs = self._signer_of(self._login.now())
        # Whether several objects fit in one request, as the first answer tells.
        self._extracts: bool | None = None

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Write an object, over an older one if there is one.

        Raises:
            Unavailable: the store did not confirm it.
        """
        request = self._request("PUT", bucket, key, data, {"content-type": content_type})
        self._send({200}, request)

    def put_many(self, bucket: str, objects: Mapping[str, bytes], content_type: str) -> None:
        """Write objects by their keys, over older ones: in one request where the store can.

        Raises:
            Unavailable: the store did not confirm all of them; some may have been written.
        """
        left = dict(objects)
        while left:
            if self._extracts and len(left) > 1:
                data = snowball.pack(left)
                headers = snowball.HEADERS
                self._send({200}, self._request("PUT", bucket, snowball.KEY, data, headers))
                return
            key = next(iter(left))
            self.put(bucket, key, left.pop(key), content_type)

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
        kept = {METADATA + name: value for name, value in (metadata or {}).items()}
        headers = {"content-type": content_type, **_CREATE, **kept}
        request = self._request("PUT", bucket, key, data, headers)
        return self._send({200, 412}, request).status == 200

    def create_many(
        self, bucket: str, objects: Mapping[str, bytes], content_type: str
    ) -> dict[str, bool]:
        """Write each object unless its key is taken; True where this call wrote it.

        Raises:
            Unavailable: the store did not confirm all of them; some may have been written.
        """
        headers = {"content-type": content_type, **_CREATE}
        requests = [self._request("PUT", bucket, *each, headers) for each in objects.items()]
        answers = self._exchange({200, 412}, requests)
        return {key: it.status == 200 for key, it in zip(objects, answers, strict=True)}

    def replace(self, bucket: str, key: str, data: bytes, content_type: str, tag: str) -> bool:
        """Write an object in the place of the one that `tagged` read; True when this call did.

        Args:
            tag: of the one that was read; empty: there was none.

        Raises:
            Unavailable: the store did not confirm it.
        """
        condition = {"if-match": tag} if tag else _CREATE
        headers = {"content-type": content_type, **condition}
        # 404: the one that was read has gone.
        request = self._request("PUT", bucket, key, data, headers)
        return self._send({200, 404, 412}, request).status == 200

    def tagged(self, bucket: str, key: str) -> tuple[bytes | None, str]:
        """Read an object and the tag of this version; None and an empty tag when there is none.

        Raises:
            Unavailable: the store did not answer.
        """
        answer = self._send({200, 404}, self._request("GET", bucket, key))
        return (answer.body, answer.headers["etag"]) if answer.status == 200 else (None, "")

    def get(self, bucket: str, key: str) -> bytes | None:
        """Read an object; None when there is none.

        Raises:
            Unavailable: the store did not answer.
        """
        return self.get_many(bucket, [key])[0]

    def get_many(self, bucket: str, keys: Sequence[str]) -> list[bytes | None]:
        """Read objects, in the order asked; None where there is none. They are all in memory.

        Raises:
            Unavailable: the store did not answer.
        """
        requests = [self._request("GET", bucket, key) for key in keys]
        answers = self._exchange({200, 404}, requests)
        return [answer.body if answer.status == 200 else None for answer in answers]

    def exists(self, bucket: str, key: str) -> bool:
        """Tell whether the key is taken.

        Raises:
            Unavailable: the store did not answer.
        """
        return self._send({200, 404}, self._request("HEAD", bucket, key)).status == 200

    def describe(self, bucket: str, key: str) -> Described | None:
        """Tell what is known of an object; None when there is none.

        Raises:
            Unavailable: the store did not answer.
        """
        answer = self._send({200, 404}, self._request("HEAD", bucket, key))
        return None if answer.status == 404 else Described.from_headers(answer.headers)

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
        for page in self._pages(bucket, prefix):
            yield from page.objects

    def folders(self, bucket: str, prefix: str) -> Iterator[str]:
        """List what the keys that start so have next, up to and with a slash; each once, in order.

        Raises:
            Unavailable: the store did not answer.
        """
        for page in self._pages(bucket, prefix, "/"):
            yield from page.folders

    def has_bucket(self, bucket: str) -> bool:
        """Tell whether there is such a bucket.

        Raises:
            Unavailable: the store did not answer.
        """
        return self._send({200, 404}, self._request("HEAD", bucket, "")).status == 200

    def policy(self, bucket: str) -> str | None:
        """Read what a bucket allows to others, as JSON; None where that is nothing.

        Raises:
            Unavailable: the store did not answer, or does not tell it to us.
        """
        answer = self._send({200, 404}, self._request("GET", bucket, "", query="policy="))
        return answer.body.decode() if answer.status == 200 else None

    def _pages(self, bucket: str, prefix: str, delimiter: str = "") -> Iterator[Page]:
        token = ""
        while True:
            query = page_query(prefix, token, delimiter)
            page = read_page(self._send({200}, self._request("GET", bucket, "", query=query)).body)
            yield page
            if not (token := page.token):
                return

    def _signer_of(self, login: Login) -> tuple[Login, Signer]:
        return login, Signer(self._endpoint, REGION, login.name, login.password)

    def _request(
        self,
        method: str,
        bucket: str,
        key: str,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: str = "",
    ) -> Request:
        path = f"/{bucket}/{quote(key, safe='/-_.~')}"
        size = None if data is None else len(data)
        login, signer = self._signs
        if (now := self._login.now()) is not login:
            self._signs = _, signer = self._signer_of(now)
        head = signer.head(method, path, query, headers or {}, size)
        return Request(method, head, data or b"", f"{method} {bucket}/{key}")

    def _send(self, expected: Set[int], request: Request) -> Answer:
        return self._exchange(expected, [request])[0]

    def _exchange(self, expected: Set[int], requests: Sequence[Request]) -> list[Answer]:
        try:
            answers = self._connections.exchange(requests)
        except OSError as error:
            reason = trust.said(error, "MINIO_ENDPOINT") or type(error).__name__
            raise Unavailable(f"MinIO does not answer: {reason}") from error
        if self._extracts is None:
            self._extracts = answers[0].headers.get("server", "").startswith("MinIO")
        for request, answer in zip(requests, answers, strict=True):
            # 404 of a missing bucket is no answer about an object.
            if answer.status not in expected or b"<Code>NoSuchBucket<" in answer.body[:300]:
                said = answer.body[:300].decode(errors="replace")
                if answer.status == 400 and not (said or self._speaks_tls):
                    said = "see whether it speaks TLS, which MINIO_TLS=1 says"
                meaning = Refused if is_final(answer.status, answer.body) else Unavailable
                raise meaning(f"MinIO answered {answer.status} to {request.name}: {said}")
        return answers
