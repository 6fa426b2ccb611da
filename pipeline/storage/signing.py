"""AWS Signature Version 4, as headers of a request to S3; the body is not part of what is signed.

The SDK signs too, and derives the day's key anew for each request, which costs more than all else.

Source: AWS documentation, "Authenticating Requests: Using the Authorization Header".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

UNSIGNED = "UNSIGNED-PAYLOAD"
# Given, so that the SDK does not ask for it: a least-privilege user may not.
REGION = "us-east-1"
_SERVICE = "s3"


class Signer:
    """Signs requests to one host with one key; safe to share between threads."""

    def __init__(self, host: str, region: str, access_key: str, secret_key: str) -> None:
        self._host = host
        self._region = region
        self._access_key = access_key
        self._secret_key = secret_key
        self._key = ("", b"")  # that of the day, and which day

    def head(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        size: int | None,
        now: datetime | None = None,
    ) -> bytes:
        """Write what comes before the body.

        Args:
            path: quoted, with the slash it begins with.
            query: names and values quoted, sorted by name; empty for none.
            headers: more of them; names in lower case.
            size: bytes of the body; None for none.
        """
        instant = f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        signed = {
            **headers,
            "host": self._host,
            "x-amz-content-sha256": UNSIGNED,
            "x-amz-date": instant,
        }
        names = sorted(signed)
        listed = ";".join(names)
        # Spaces in a row count as one for the signature.
        lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in names)
        canonical = "\n".join((method, path, query, lines, listed, UNSIGNED))
        scope = f"{instant[:8]}/{self._region}/{_SERVICE}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{instant}\n{scope}\n{digest}"
        signature = hmac.digest(self._day_key(instant[:8]), text.encode(), "sha256").hex()
        target = f"{path}?{query}" if query else path
        sent = [f"{method} {target} HTTP/1.1", *(f"{name}: {signed[name]}" for name in names)]
        if size is not None:
            sent.append(f"content-length: {size}")
        sent.append(
            f"authorization: AWS4-HMAC-SHA256 Credential={self._access_key}/{scope},"
            f" SignedHeaders={listed}, Signature={signature}"
        )
        return "\r\n".join([*sent, "", ""]).encode()

    def _day_key(self, day: str) -> bytes:
        known, key = self._key
        if known != day:
            key = b"AWS4" + self._secret_key.encode()
            for part in (day, self._region, _SERVICE, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = (day, key)
        return key
