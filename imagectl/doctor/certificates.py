"""Whether the certificates that are configured are good: their chain, their name, how long.

The one place for them: what speaks TLS is named in `_places`.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import FAILED, WARNING, Finding, Wrong, of

_SECONDS = 10.0
_DAY_SECONDS = 24 * 60 * 60
# Time to have another one made.
_WARN_DAYS = 21
# Which variable names the file of who vouches for it; of all others SERVICES_CA_FILE.
_AUTHORITIES = {"GATEWAY_URL": "TLS_CA_FILE", "OIDC_ISSUER": "OIDC_CA_FILE"}


def examine(deployment: Deployment) -> list[Finding]:
    """Shake hands with everything that is configured to speak TLS."""
    places = list(_places(deployment))
    wrong = [each for name, place in places for each in examined(name, *place)]
    if not places:
        return [of("certificates", [], "none is configured")]
    return [
        of(
            "certificates",
            wrong,
            f"{', '.join(name for name, _ in places)}: chain, name and dates are good",
        )
    ]


def _places(deployment: Deployment) -> Iterator[tuple[str, tuple[str, int, str | None]]]:
    """Name what speaks TLS: the variable that says so, host, port, and who vouches for it."""
    url = urlsplit(deployment.gateway_url)
    if url.scheme == "https":
        yield "GATEWAY_URL", (url.hostname or "", url.port or 443, deployment.authority)
    settings = deployment.settings
    authority = settings.services_ca_file or None
    if settings.minio_tls:
        host, _, port = settings.minio_endpoint.rpartition(":")
        yield "MINIO_ENDPOINT", (host.strip("[]"), int(port), authority)
    if settings.kafka_security_protocol.endswith("SSL"):
        for broker in settings.kafka_bootstrap_servers.split(","):
            host, _, port = broker.strip().rpartition(":")
            yield "KAFKA_BOOTSTRAP_SERVERS", (host.strip("[]"), int(port), authority)
    url = urlsplit(settings.redis_url)
    if url.scheme == "rediss":
        yield "REDIS_URL", (url.hostname or "", url.port or 6379, authority)
    url = urlsplit(deployment.environment.get("OIDC_ISSUER") or "")
    if url.scheme == "https":
        authority = deployment.environment.get("OIDC_CA_FILE") or None
        yield "OIDC_ISSUER", (url.hostname or "", url.port or 443, authority)


def examined(name: str, host: str, port: int, authority: str | None) -> list[Wrong]:
    """Shake hands with one place.

    Args:
        authority: file of the authority's certificate; None: those that this machine trusts.
    """
    where = f"{name} ({host}:{port})"
    try:
        context = ssl.create_default_context(cafile=authority)
        with (
            socket.create_connection((host, port), _SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host) as channel,
        ):
            told = channel.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        variable = _AUTHORITIES.get(name, "SERVICES_CA_FILE")
        change = f"renew the certificate, or let {variable} name who made it"
        found = f"{where}: {error.verify_message}"
        return [Wrong(found, "a certificate of a known authority, for this name", change)]
    except OSError as error:
        found = f"{where}: no handshake: {error}"
        return [Wrong(found, "a handshake", f"see whether {name} is right")]
    days = (ssl.cert_time_to_seconds(str(told["notAfter"])) - time.time()) / _DAY_SECONDS
    if days >= _WARN_DAYS:
        return []
    found = f"the certificate of {where} is good for {days:.0f} days more"
    state = WARNING if days > 1 else FAILED
    return [Wrong(found, f"{_WARN_DAYS} days", "renew it", state)]
