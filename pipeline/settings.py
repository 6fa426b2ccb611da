"""Every environment variable that functions and consumers read, with its default and unit."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pipeline.access import accounts
from pipeline.errors import SettingsError
from pipeline.limits import DEFAULTS, Limits, max_body_bytes
from pipeline.secrets import Secrets
from pipeline.timeouts import chain, defaults

# Settings that follow from the length of a call where nobody sets them: their waits in the chain.
_FOLLOWING = {
    "cache_timeout_seconds": "cache",
    "store_timeout_seconds": "store",
    "produce_timeout_seconds": "produce",
    "max_decode_seconds": "decode",
    "max_wait_seconds": "prefer",
    "retry_base_seconds": "first retry",
}


def _setting(
    default: Any,
    unit: str,
    meaning: str,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """Declare one setting; its environment variable is the field's name in upper case."""
    metadata = {"unit": unit, "meaning": meaning, "range": (minimum, maximum)}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """What a process was told by its environment; made once, passed in."""

    minio_endpoint: str = _setting("127.0.0.1:9000", "host:port", "MinIO's S3 API")
    kafka_bootstrap_servers: str = _setting("127.0.0.1:9092", "host:port,…", "Kafka brokers")
    redis_url: str = _setting(
        "redis://127.0.0.1:6379/0", "URL", "Redis, the result cache; `rediss://`: over TLS"
    )
    openfaas_url: str = _setting(
        "http://127.0.0.1:8081", "URL", "where the functions are invoked: the OpenFaaS gateway"
    )
    openfaas_metrics_url: str = _setting(
        "",
        "URL",
        "where OpenFaaS tells its metrics: its own gateway on port 8082; if empty, as above",
    )
    secrets_dir: str = _setting("/var/openfaas/secrets", "folder", "one file a secret")
    account: str = _setting(
        accounts.OPERATOR, "name", "as whom imagectl asks MinIO and Kafka; other processes know"
    )
    kafka_security_protocol: str = _setting(
        "SASL_PLAINTEXT",
        "protocol",
        "how Kafka is spoken to; `SASL_SSL`: over TLS; `PLAINTEXT`, `SSL`: it knows no users",
    )
    minio_tls: int = _setting(0, "0 or 1", "1: MinIO is spoken to over TLS", 0, 1)
    services_ca_file: str = _setting(
        "",
        "file",
        "who vouches for MinIO, Kafka and Redis over TLS; if empty, whom the machine trusts",
    )
    model_id: str = _setting("current", "model id", "model; `current`: the one published last")
    listen_host: str = _setting(
        "127.0.0.1", "address", "where consumers answer /healthz and /metrics"
    )
    log_level: str = _setting("INFO", "level", "DEBUG, INFO, WARNING or ERROR")
    crash_dir: str = _setting("", "folder", "for tests alone: where kill points are armed")
    inference_log: str = _setting("", "file", "for tests alone: a line before each inference")

    max_image_bytes: int = _setting(DEFAULTS.max_image_bytes, "bytes", "largest upload", 1)
    max_image_pixels: int = _setting(40_000_000, "pixels", "largest width × height", 1)
    min_image_side_pixels: int = _setting(16, "pixels", "smallest width or height", 1)
    max_decode_seconds: float = _setting(
        defaults.DECODE_SECONDS,
        "seconds",
        "of one core, to decode one image; more fails as `too-costly`",
        0.1,
    )

    request_timeout_seconds: int = _setting(
        DEFAULTS.request_timeout_seconds,
        "seconds",
        "one call of a function, so one inference: [all others follow](#timeouts)",
        1,
    )
    max_function_seconds: int = _setting(
        DEFAULTS.max_function_seconds,
        "seconds",
        "the most that a function may allow itself for one call; a deploy that asks for more is"
        " refused",
        1,
    )
    provider_wait_seconds: int = _setting(
        DEFAULTS.provider_wait_seconds, "seconds", "a call's wait for a replica to be ready", 1
    )
    provider_wake_seconds: int = _setting(
        DEFAULTS.provider_wake_seconds, "seconds", "the same, where there may be none", 1
    )
    store_timeout_seconds: float = _setting(
        defaults.STORE_SECONDS, "seconds", "one MinIO request", 0.01
    )
    produce_timeout_seconds: float = _setting(
        defaults.PRODUCE_SECONDS, "seconds", "Kafka's acknowledgement", 0.01
    )
    cache_timeout_seconds: float = _setting(
        defaults.CACHE_SECONDS, "seconds", "one Redis command", 0.001
    )
    cache_ttl_seconds: int = _setting(3600, "seconds", "how long a result stays in Redis", 1)
    job_retention_days: int = _setting(30, "days", "age past which a job id answers 410", 1)
    max_wait_seconds: int = _setting(
        defaults.PREFER_WAIT_SECONDS, "seconds", "longest `Prefer: wait`", 0
    )
    max_files_per_request: int = _setting(16, "files", "images in one form", 1, 100)
    idempotency_ttl_seconds: int = _setting(
        86_400, "seconds", "how long an `Idempotency-Key` stands for what came with it", 1
    )
    max_waiting_uploads: int = _setting(
        16, "requests", "uploads per replica held open by `Prefer: wait`; more get 202 at once", 0
    )
    max_backlog_images: int = _setting(
        1_000_000, "images", "accepted and unfinished; more uploads get 503; 0: no limit", 0
    )
    quota_images_a_day: int = _setting(
        0, "images", "of a tenant, accepted since midnight UTC; more get 429; 0: no limit", 0
    )
    quota_bytes_a_day: int = _setting(0, "bytes", "the same in bytes; 0: no limit", 0)
    quota_images_in_flight: int = _setting(
        0, "images", "of a tenant, accepted and unfinished; more get 429; 0: no limit", 0, 20_000
    )
    quota_stored_images: int = _setting(
        0, "images", "different ones of a tenant, ever; more get 429; 0: no limit", 0
    )
    quota_stored_bytes: int = _setting(0, "bytes", "the same in bytes; 0: no limit", 0)
    top_k: int = _setting(5, "labels", "labels kept in a result", 1)

    kafka_partitions: int = _setting(
        3,
        "partitions",
        "of each topic but image-failures, at least; none is taken away",
        1,
        100,
    )
    kafka_replication_factor: int = _setting(
        1, "brokers", "how many keep each partition; from 3 on one may be lost at a time", 1, 9
    )
    consumer_group: str = _setting("image-process-consumer", "name", "Kafka consumer group")
    consumer_member_file: str = _setting(
        "", "file", "lets a consumer take its killed predecessor's place at once; one for each"
    )
    consumer_port: int = _setting(8082, "port", "the consumer's /healthz and /metrics", 1)
    batch_size: int = _setting(32, "images", "most references per classifier call", 1)
    batches_in_flight: int = _setting(
        64, "calls", "most classifier calls at once per consumer; it finds out how many pay", 1
    )
    invoke_timeout_seconds: float = _setting(
        0.0, "seconds", "one classifier call; 0: as long as Nginx waits for a function of ours", 0.0
    )
    max_attempts: int = _setting(5, "attempts", "tries of one image before its dead letter", 1)
    retry_base_seconds: float = _setting(
        defaults.RETRY_BASE_SECONDS, "seconds", "wait before the second attempt", 0.0
    )
    breaker_failures: int = _setting(
        100, "images", "failures in a row after which the consumer stops; 0: never", 0
    )
    breaker_rest_seconds: float = _setting(
        30.0, "seconds", "between the images tried while it is stopped", 0.1
    )
    retry_max_seconds: float = _setting(
        defaults.RETRY_MAX_SECONDS, "seconds", "longest wait between attempts", 0.0
    )

    async_call_port: int = _setting(
        8084, "port", "where async-call-consumer takes calls, and its /healthz and /metrics", 1
    )
    async_call_group: str = _setting(
        "async-call-consumer", "name", "Kafka consumer group of asynchronous calls"
    )
    async_calls_in_flight: int = _setting(
        16, "calls", "asynchronous calls at once per consumer, half of them of one function", 1
    )
    async_call_seconds: float = _setting(
        0.0, "seconds", "one asynchronous call; 0: as long as Nginx waits for any function", 0.0
    )
    async_call_wait_seconds: float = _setting(
        defaults.CALL_WAIT_SECONDS,
        "seconds",
        "how long a call waits for a function that answers 429 or 503",
        0.0,
    )
    async_callback_urls: str = _setting(
        "",
        "URL,…",
        "what `X-Callback-Url` may begin with; none are taken if empty",
    )
    async_callback_seconds: float = _setting(10.0, "seconds", "one answer to a callback", 0.1)
    max_queued_calls: int = _setting(
        100_000, "calls", "asynchronous calls that wait; more get 503; 0: no limit", 0
    )

    key_overlap_seconds: int = _setting(
        86_400, "seconds", "how long a key that `imagectl keys rotate` replaces goes on working", 0
    )

    autoscaler_port: int = _setting(8083, "port", "the autoscaler's /healthz and /metrics", 1)
    autoscaler_drain_seconds: float = _setting(
        30.0, "seconds", "in which a backlog is to be cleared, as far as replicas may be added", 1
    )
    autoscaler_cool_down_seconds: float = _setting(
        60.0, "seconds", "for which fewer replicas must have been enough before one is given up", 0
    )

    @classmethod
    def from_env(cls, environment: Mapping[str, str], account: str = "") -> Settings:
        """Read every setting; one that is empty or `default` has its default.

        Args:
            account: whose logins are used, for a process that has one of its own.

        Raises:
            SettingsError: naming all variables that are wrong, not only the first; or, where each
                by itself is right, what does not fit together in the chain of timeouts.
        """
        values: dict[str, object] = {}
        wrong: list[str] = []
        for spec in fields(cls):
            text = environment.get(spec.name.upper(), "")
            if text in ("", "default"):
                continue
            try:
                values[spec.name] = _parse(text, type(spec.default), *spec.metadata["range"])
            except ValueError as error:
                wrong.append(f"{spec.name.upper()}={text!r}: {error}")
        if wrong:
            raise SettingsError("; ".join(wrong))
        if account:
            values["account"] = account
        try:
            timeouts = chain.check(environment)
        except ValueError as error:
            raise SettingsError(str(error)) from error
        for name, wait in _FOLLOWING.items():
            seconds = timeouts.seconds(wait)
            values.setdefault(name, int(seconds) if name == "max_wait_seconds" else seconds)
        return cls(**values)  # type: ignore[arg-type]

    @classmethod
    def of_this_process(cls, account: str = "") -> Settings:
        """Read the environment of this process; end it, and say why, where it cannot start so."""
        try:
            return cls.from_env(os.environ, account)
        except SettingsError as error:
            sys.exit(f"cannot start: {error}")

    @property
    def max_body_bytes(self) -> int:
        """The largest request body: an image, and what a form puts around it."""
        return max_body_bytes(self.max_image_bytes)

    @property
    def classifier_call_seconds(self) -> float:
        """How long the consumer waits for one call, and its token is good."""
        return self.invoke_timeout_seconds or self.limits.gateway_timeout_seconds

    @property
    def longest_async_call_seconds(self) -> float:
        """How long the queue waits for one call of any function."""
        return self.async_call_seconds or self.limits.gateway_ceiling_seconds

    @property
    def limits(self) -> Limits:
        """What other processes keep to as well."""
        return Limits(
            max_image_bytes=self.max_image_bytes,
            request_timeout_seconds=self.request_timeout_seconds,
            max_function_seconds=self.max_function_seconds,
            provider_wait_seconds=self.provider_wait_seconds,
            provider_wake_seconds=self.provider_wake_seconds,
        )

    @property
    def secrets(self) -> Secrets:
        """The keys and logins that this process has."""
        return Secrets(Path(self.secrets_dir), self.account)


def _parse(text: str, kind: type, minimum: float | None, maximum: float | None) -> object:
    readers: dict[type, Callable[[str], Any]] = {int: int, float: float, str: str}
    try:
        value = readers[kind](text)
    except ValueError as error:
        raise ValueError(f"expected {'a whole number' if kind is int else 'a number'}") from error
    if minimum is not None and not value >= minimum:
        raise ValueError(f"the smallest allowed value is {minimum}")
    if maximum is not None and not value <= maximum:
        raise ValueError(f"the largest allowed value is {maximum}")
    return value
