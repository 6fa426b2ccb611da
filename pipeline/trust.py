"""TLS to MinIO, Kafka and Redis: who is believed, and what is said of an error.

Certificates are looked at whenever TLS is spoken, and so are the names in them: no setting takes
that away.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

from pipeline.errors import SettingsError
from pipeline.settings import Settings

CA_FILE = "SERVICES_CA_FILE"
# What OpenSSL's checks of a certificate are called, X509_V_ERR_…: of its dates, and its name.
_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64


def context(settings: Settings) -> ssl.SSLContext:
    """Believe whom SERVICES_CA_FILE names, else whom this machine believes.

    Raises:
        SettingsError: the file cannot be read, or holds no certificate.
    """
    file = settings.services_ca_file
    try:
        made = ssl.create_default_context(cafile=file or None)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise SettingsError(f"{CA_FILE}={file!r}: no certificate can be read: {reason}") from error
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def of_pool(settings: Settings) -> ssl.SSLContext | None:
    """What a pool of urllib3 is told of TLS to MinIO; None where it is spoken to in clear."""
    return context(settings) if settings.minio_tls else None


def of_redis(settings: Settings) -> dict[str, Any]:
    """What a client of Redis is told of TLS; nothing where its URL speaks none."""
    if not settings.redis_url.startswith("rediss://"):
        return {}
    context(settings)  # says what is wrong with the file
    file = settings.services_ca_file or None
    return {"ssl_ca_certs": file, "ssl_cert_reqs": "required", "ssl_check_hostname": True}


def said(error: BaseException, address: str) -> str:
    """Say of an error of TLS what is wrong, and which setting to look at; empty for any other.

    Args:
        address: the setting that says where the server is, as MINIO_ENDPOINT.
    """
    for each in _causes(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate is refused: {each.verify_message}; {_advice(each, address)}"
        if isinstance(each, ssl.SSLError):
            found = each.reason or "broken off"
            return f"no TLS ({found}); see whether what {address} names speaks it, 1.2 or later"
    return ""


def _advice(error: ssl.SSLCertVerificationError, address: str) -> str:
    if error.verify_code in (_EXPIRED, _NOT_YET):
        return "renew it at the server, or set this machine's clock"
    if error.verify_code in (_OTHER_NAME, _OTHER_ADDRESS):
        return f"let {address} name the server as its certificate does"
    return f"let {CA_FILE} name the certificate of who made it"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
