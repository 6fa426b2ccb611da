"""The parts of a stack: what each runs, after which others, on which ports, how it is probed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from local.services.certificates import door, keeper
from local.services.isolation.accounts import home
from local.services.progress import StepFailed
from local.services.servers import kafka, minio, nginx, redis
from local.services.settings import ROOT, Stack
from local.services.supervision import probes
from pipeline.timeouts.defaults import KILL_SECONDS

_MAKES_OWN = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")


@dataclass(frozen=True)
class Part:
    """A service that is kept running, or a step (without a probe) that runs once to its end."""

    name: str
    command: list[str]
    after: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    # Writes what the command reads; called before every start.
    prepare: Callable[[], None] | None = None
    probe: probes.Probe | None = None
    # Says how it goes, for `make status`.
    message: Callable[[], str] | None = None
    grace_seconds: float = 10.0


def all_parts(stack: Stack) -> list[Part]:
    """Every part, each behind those it needs: started in this order, stopped in reverse."""
    return [
        _redis(stack),
        *_kafka(stack),
        _minio(stack),
        _provider(stack),
        _step(stack, "topics", "pipeline.kafka.administration", "kafka"),
        _step(stack, "buckets", "pipeline.storage.administration", "minio"),
        _consumer(stack),
        _async_calls(stack),
        *_reconciler(stack),
        *_autoscaler(stack),
        _keys(stack),
        *_certificates(stack),
        *_oidc(stack),
        _nginx(stack),
    ]


def base_environment() -> dict[str, str]:
    """What every process inherits: .venv first on PATH, and nothing of make's own."""
    inherited = {name: text for name, text in os.environ.items() if name not in _MAKES_OWN}
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    return {**inherited, "PATH": path, "PYTHONUNBUFFERED": "1"}


def chosen(stack: Stack, names: list[str]) -> list[Part]:
    """The named parts and all that they need; every part when none is named.

    Raises:
        StepFailed: there is no such part.
    """
    known = {part.name: part for part in all_parts(stack)}
    if unknown := [name for name in names if name not in known]:
        raise StepFailed(f"there is no part {', '.join(unknown)}; there are: {', '.join(known)}")
    wanted: set[str] = set()

    def add(name: str) -> None:
        wanted.add(name)
        for needed in known[name].after:
            add(needed)

    for name in names or known:
        add(name)
    return [part for name, part in known.items() if name in wanted]


def _redis(stack: Stack) -> Part:
    return Part(
        name="redis",
        command=redis.command(stack),
        prepare=partial(redis.prepare, stack),
        ports={"redis": stack.listening.redis},
        probe=probes.RedisPing(stack.listening.redis),
    )


def _kafka(stack: Stack) -> list[Part]:
    service = Part(
        name="kafka",
        command=kafka.command(stack),
        prepare=partial(kafka.prepare, stack),
        ports={
            "kafka": stack.listening.kafka,
            "kafka_controller": stack.listening.kafka_controller,
        },
        probe=probes.Kafka(stack.listening.kafka),
        grace_seconds=KILL_SECONDS,
    )
    if kafka.is_formatted(stack):
        return [service]
    command = kafka.format_command(stack)
    first = Part("kafka-format", command, prepare=partial(kafka.prepare, stack))
    return [first, replace(service, after=("kafka-format",))]


def _minio(stack: Stack) -> Part:
    return Part(
        name="minio",
        command=minio.command(stack),
        prepare=partial(minio.prepare, stack),
        environment=minio.environment(stack),
        ports={"minio": stack.listening.minio, "minio_console": stack.listening.minio_console},
        probe=probes.Http(stack.listening.minio, "/minio/health/live", "/minio/health/ready"),
    )


def _provider(stack: Stack) -> Part:
    return Part(
        name="provider",
        command=[sys.executable, "-m", "local.provider"],
        environment={
            **stack.limits.environment(),
            # Bodies in pages of 2 MB: taking 19 MB by pages of 4 KB costs more than passing it on.
            "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
            "STATE_DIR": str(stack.state_dir),
            "BUILD_DIR": str(stack.build_dir),
            "PROVIDER_PORT": str(stack.listening.provider),
            "ASYNC_CALLS_URL": f"http://127.0.0.1:{stack.listening.async_call}",
        },
        ports={"provider": stack.listening.provider},
        probe=probes.Http(stack.listening.provider, "/healthz"),
        grace_seconds=KILL_SECONDS,
    )


def _consumer(stack: Stack) -> Part:
    return Part(
        name="image-process-consumer",
        command=[sys.executable, "consumers/image-process-consumer/main.py"],
        after=("topics", "buckets", "redis", "provider"),
        environment={
            **stack.addresses(),
            "PYTHONPATH": str(ROOT),
            "CONSUMER_PORT": str(stack.listening.consumer),
            "CONSUMER_MEMBER_FILE": str(home(stack, "image-process-consumer") / "member"),
        },
        ports={"consumer": stack.listening.consumer},
        probe=probes.Http(stack.listening.consumer, "/healthz"),
        grace_seconds=KILL_SECONDS,
    )


def _async_calls(stack: Stack) -> Part:
    """The queue of /async-function: takes calls, and makes them."""
    name = "async-call-consumer"
    return Part(
        name=name,
        command=[sys.executable, "consumers/async-call-consumer/async_calls.py"],
        after=("topics", "buckets", "provider"),
        environment={
            **stack.addresses(),
            **stack.limits.environment(),
            "PYTHONPATH": str(ROOT),
            "ASYNC_CALL_PORT": str(stack.listening.async_call),
            "CONSUMER_MEMBER_FILE": str(home(stack, name) / "member"),
        },
        ports={"async_call": stack.listening.async_call},
        probe=probes.Http(stack.listening.async_call, "/healthz"),
        grace_seconds=KILL_SECONDS,
    )


def _autoscaler(stack: Stack) -> list[Part]:
    """What gives the classifier replicas; none when it is switched off."""
    if not stack.autoscale:
        return []
    return [
        Part(
            name="classifier-autoscaler",
            command=[sys.executable, "consumers/classifier-autoscaler/autoscaler.py"],
            after=("topics", "provider"),
            environment={
                **stack.addresses(),
                "PYTHONPATH": str(ROOT),
                "AUTOSCALER_PORT": str(stack.listening.autoscaler),
            },
            ports={"autoscaler": stack.listening.autoscaler},
            # While it cannot see it says so and scales nothing: all else goes on.
            probe=probes.Http(stack.listening.autoscaler, "/healthz"),
            message=partial(probes.message, stack.listening.autoscaler),
        )
    ]


def _reconciler(stack: Stack) -> list[Part]:
    """The timer that looks for lost images; none when it is switched off."""
    if not stack.reconcile_every_seconds:
        return []
    name, every = "reconciler", str(stack.reconcile_every_seconds)
    return [
        Part(
            name=name,
            command=[sys.executable, "-m", "imagectl", "reconcile", "--every", every],
            after=("topics", "buckets"),
            environment={**stack.addresses(), "ACCOUNT": name},
            probe=probes.Running(stack.run_dir, name),
        )
    ]


def _keys(stack: Stack) -> Part:
    """Makes the keys that a stack comes with keys like any other."""
    return Part(
        name="keys",
        command=[sys.executable, "-m", "imagectl.keys.first"],
        environment={
            "KEYS_DIR": str(stack.keys_dir),
            "API_KEYS_DIR": str(stack.api_key_file.parent),
        },
    )


def _certificates(stack: Stack) -> list[Part]:
    """Keeps what Nginx shows good; nothing where it speaks no TLS."""
    if not stack.tls.is_on:
        return []
    return [
        Part(
            name=keeper.NAME,
            command=[sys.executable, "-m", "local.services.certificates.keeper"],
            prepare=partial(keeper.refresh, stack),
            probe=probes.Running(stack.run_dir, keeper.NAME),
            message=partial(keeper.message, stack),
        )
    ]


def _oidc(stack: Stack) -> list[Part]:
    """What verifies bearer tokens; none where no issuer is named."""
    if not stack.oidc:
        return []
    return [
        Part(
            name="token-verifier",
            command=[sys.executable, "-m", "oidc"],
            environment={"PYTHONPATH": str(ROOT), "OIDC_PORT": str(stack.listening.oidc)},
            ports={"oidc": stack.listening.oidc},
            # Without its issuer it says so, and Nginx answers all who have keys as ever.
            probe=probes.Http(stack.listening.oidc, "/healthz"),
            message=partial(probes.message, stack.listening.oidc),
        )
    ]


def _nginx(stack: Stack) -> Part:
    return Part(
        name="nginx",
        command=nginx.command(stack),
        after=("keys", *([keeper.NAME] if stack.tls.is_on else ())),
        prepare=partial(nginx.prepare, stack),
        ports={
            "gateway": stack.listening.gateway,
            **({"gateway_http": stack.listening.gateway_http} if stack.tls.is_on else {}),
        },
        probe=probes.Http(
            stack.listening.gateway,
            "/healthz",
            connect=partial(door.connection, stack, probes.TIMEOUT_SECONDS),
        ),
    )


def _step(stack: Stack, name: str, module: str, needed: str) -> Part:
    command = [sys.executable, "-m", module]
    return Part(name, command, after=(needed,), environment=stack.addresses())
