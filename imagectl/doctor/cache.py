"""Whether Redis answers."""

from __future__ import annotations

from dataclasses import replace

from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import WARNING, Finding, Wrong, of
from pipeline.storage.cache import ResultCache

_SECONDS = 5.0


def examine(deployment: Deployment) -> list[Finding]:
    """Ask it once; without it every answer still comes, only slower."""
    settings = deployment.settings
    where = settings.redis_url.rpartition("@")[2]
    if ResultCache(replace(settings, cache_timeout_seconds=_SECONDS)).answers():
        return [of("redis", [], f"{where} answers")]
    change = "start it (`make up`), or let REDIS_URL name it"
    wanted = "an answer; until then results come from MinIO"
    return [of("redis", [Wrong(f"{where} does not answer", wanted, change, WARNING)], "")]
