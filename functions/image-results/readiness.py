"""Whether everything behind the gateway is there, part by part."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import requests

from pipeline.errors import Unavailable
from pipeline.ids import MODEL_BUCKET
from pipeline.kafka.broker_probe import BrokerProbe
from pipeline.models.manifest import CURRENT_KEY
from pipeline.settings import Settings
from pipeline.storage.cache import ResultCache
from pipeline.storage.object_store import ObjectStore

READY = "ready"

# The route is open to everybody: one round of questions a second, whoever asks.
_KEEP_SECONDS = 1.0
# Redis is a cache: without it every answer still comes, only slower.
_OPTIONAL = frozenset({"redis"})
_FUNCTIONS = ("image-upload", "image-classifier")


class Readiness:
    """Asks every part, at once, and keeps the answer for a second."""

    def __init__(self, settings: Settings, store: ObjectStore, cache: ResultCache) -> None:
        self._settings = settings
        self._broker = BrokerProbe(settings)
        self._checks: dict[str, Callable[[], None]] = {
            "minio": partial(_check_store, store),
            "kafka": self._broker.check_broker,
            "redis": partial(_check_cache, cache),
            "image-process-consumer": self._check_consumer,
            **{name: partial(self._check_function, name) for name in _FUNCTIONS},
        }
        self._pool = ThreadPoolExecutor(len(self._checks), thread_name_prefix="readiness")
        self._lock = threading.Lock()
        self._parts: dict[str, str] = {}
        self._asked_at = -_KEEP_SECONDS

    def parts(self) -> dict[str, str]:
        """Say of each part `ready`, or why it is not."""
        with self._lock:
            if time.monotonic() - self._asked_at >= _KEEP_SECONDS:
                answers = self._pool.map(_ask, self._checks.values())
                self._parts = dict(zip(self._checks, answers, strict=True))
                self._asked_at = time.monotonic()
            return dict(self._parts)

    def _check_consumer(self) -> None:
        if self._broker.consumers() == 0:
            raise Unavailable("no consumer is in the group")

    def _check_function(self, name: str) -> None:
        url = f"{self._settings.openfaas_url}/function/{name}/_/ready"
        try:
            status = requests.get(url, timeout=self._settings.store_timeout_seconds).status_code
        except requests.RequestException as error:
            raise Unavailable(f"does not answer: {type(error).__name__}") from error
        if status != 200:
            raise Unavailable(f"answers {status}")


def all_ready(parts: dict[str, str]) -> bool:
    """Tell whether every part that answers need is ready."""
    return all(state == READY for name, state in parts.items() if name not in _OPTIONAL)


def _ask(check: Callable[[], None]) -> str:
    try:
        check()
    except Unavailable as error:
        return str(error)
    return READY


def _check_store(store: ObjectStore) -> None:
    store.exists(MODEL_BUCKET, CURRENT_KEY)


def _check_cache(cache: ResultCache) -> None:
    if not cache.answers():
        raise Unavailable("Redis does not answer; results come from MinIO")
