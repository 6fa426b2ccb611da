"""Whether the clocks of all parts agree: tokens and times of events depend on it."""

from __future__ import annotations

import time
from typing import Any

from imagectl.doctor import asking
from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import FAILED, WARNING, Finding, Wrong, of
from pipeline.errors import Unavailable
from pipeline.kafka.clients import Access
from pipeline.settings import Settings

# A token is good for five seconds more than it says (pipeline/http/identity.py).
_MOST_SECONDS = 5.0
_WARN_SECONDS = 2.0
_KAFKA_SECONDS = 10.0


def examine(deployment: Deployment) -> list[Finding]:
    """Compare the clocks of those that tell it with ours."""
    settings = deployment.settings
    scheme = "https" if settings.minio_tls else "http"
    urls = {
        "gateway": f"{deployment.gateway_url}/healthz",
        "provider": f"{settings.openfaas_url.rstrip('/')}/healthz",
        "minio": f"{scheme}://{settings.minio_endpoint}/minio/health/live",
    }
    vouching = {"minio": settings.services_ca_file or None, "gateway": deployment.authority}
    told = {name: _of_http(url, vouching.get(name)) for name, url in urls.items()}
    told["kafka"] = _of_kafka(settings)
    seen = {name: seconds for name, seconds in told.items() if seconds is not None}
    silent = [name for name in told if name not in seen]
    said = f"{', '.join(seen) or 'none'} within {_WARN_SECONDS:g} s of ours"
    said += f"; {', '.join(silent)} did not tell" if silent else ""
    return [of("clocks", judged(seen), said)]


def judged(seen: dict[str, float]) -> list[Wrong]:
    """Say which clocks are too far from ours.

    Args:
        seen: by how many seconds each is before ours.
    """
    return [
        Wrong(
            f"the clock of {name} is {abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'}",
            f"at most {_WARN_SECONDS:g} s, as tokens are good for {_MOST_SECONDS:g} s more",
            f"set the clock of the machine of {name}, or this one's (NTP)",
            FAILED if abs(seconds) > _MOST_SECONDS else WARNING,
        )
        for name, seconds in seen.items()
        if abs(seconds) > _WARN_SECONDS
    ]


def _of_http(url: str, authority: str | None) -> float | None:
    try:
        return asking.get(url, authority=authority).clock_seconds
    except Unavailable:
        return None  # told by another check


def _of_kafka(settings: Settings) -> float | None:
    """Ask the leader of the controllers when it was last up to date: that is always now."""
    # librdkafka cannot ask for it. Imported where it is needed: it takes 10 MB.
    try:
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError
    except ImportError:
        return None  # in a container without it

    try:
        admin = KafkaAdminClient(
            **Access(settings).for_kafka_python(), request_timeout_ms=int(_KAFKA_SECONDS * 1000)
        )
    except (KafkaError, ValueError):
        return None
    try:
        began = time.time()
        said = admin.describe_metadata_quorum()
        return _leaders(said, began, time.time())
    except (KafkaError, LookupError, TypeError, AttributeError):
        return None  # not one that tells
    finally:
        admin.close()


def _leaders(said: dict[str, Any], began: float, ended: float) -> float | None:
    partition = said["topics"][0]["partitions"][0]
    for voter in partition["current_voters"]:
        if voter["replica_id"] == partition["leader_id"]:
            told = voter["last_caught_up_timestamp"] / 1000
            return asking.ahead(told, told, began, ended) if told > 0 else None
    return None
