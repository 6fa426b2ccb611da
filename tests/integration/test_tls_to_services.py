"""Our clients of MinIO and Redis over TLS: the real services, good certificates and bad ones."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from imagectl.doctor import certificates
from imagectl.doctor.deployment import Deployment
from local.services import credentials
from local.services.servers import minio, redis
from local.services.settings import Stack
from pipeline.access.accounts import SETUP
from pipeline.errors import SettingsError, Unavailable
from pipeline.settings import Settings
from pipeline.storage import administration
from pipeline.storage.cache import ResultCache
from pipeline.storage.object_store import ObjectStore
from tests.ports import free_ports
from tests.stack import until
from tests.tls import Authority, Issued, handshake

_BUCKET = "input-images"
_NAMES = ("DNS:localhost", "IP:127.0.0.1")
# What is wrong with a certificate, what is said of it, and which setting or deed mends it.
_WRONG = [
    ("expired", "certificate has expired", "renew it"),
    ("name", "certificate is not valid for '127.0.0.1'", "{address}"),
    ("authority", "unable to get local issuer certificate", "SERVICES_CA_FILE"),
]


@dataclass(frozen=True)
class Services:
    """MinIO and Redis that run with one certificate, and settings of a client that is right."""

    settings: Settings
    other: Path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "services")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("good")
    with services(folder, authority, authority.issue(*_NAMES)) as running:
        administration.apply(running.settings)
        yield running


@pytest.fixture(scope="module", params=[kind for kind, *_ in _WRONG])
def bad(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[tuple[Services, str, str]]:
    """Services whose certificate is wrong, what is said of it, and what mends it."""
    folder = tmp_path_factory.mktemp(request.param)
    issued = {
        "expired": lambda: authority.issue(*_NAMES, is_expired=True, called="expired"),
        "name": lambda: authority.issue("DNS:elsewhere.example", called="elsewhere"),
        "authority": lambda: Authority(folder / "unknown").issue(*_NAMES),
    }[request.param]()
    (told,) = [(said, mends) for kind, said, mends in _WRONG if kind == request.param]
    with services(folder, authority, issued) as running:
        yield running, *told


@contextmanager
def services(folder: Path, authority: Authority, issued: Issued) -> Iterator[Services]:
    """Run both as a local stack does, but over TLS."""
    minio_port, console, redis_port = free_ports(3)
    kept = {"CACHE_DIR": os.environ["CACHE_DIR"]} if "CACHE_DIR" in os.environ else {}
    ports = {"MINIO_PORT": minio_port, "MINIO_CONSOLE_PORT": console, "REDIS_PORT": redis_port}
    stack = Stack.from_env(
        {**kept, "STATE_DIR": str(folder / "state"), **{key: str(it) for key, it in ports.items()}}
    )
    credentials.make(stack)
    shown = stack.state_dir / "minio-certificates"
    shown.mkdir()
    (shown / "public.crt").write_bytes(issued.certificate.read_bytes())
    (shown / "private.key").write_bytes(issued.key.read_bytes())
    for service in (minio, redis):
        service.prepare(stack)
    over_tls = ["--port", "0", "--tls-port", str(redis_port), "--tls-auth-clients", "no"]
    over_tls += ["--tls-cert-file", str(issued.certificate), "--tls-key-file", str(issued.key)]
    commands = [minio.command(stack), [*redis.command(stack), *over_tls]]
    environment = {**os.environ, **minio.environment(stack)}
    with (folder / "services.log").open("ab") as log:
        running = [
            subprocess.Popen(each, env=environment, stdout=log, stderr=log) for each in commands
        ]
    try:
        for port in (minio_port, redis_port):
            until(lambda port=port: "Cipher is TLS" in handshake(port))  # type: ignore[misc]
        settings = Settings(
            minio_endpoint=f"127.0.0.1:{minio_port}",
            minio_tls=1,
            redis_url=f"rediss://127.0.0.1:{redis_port}/0",
            services_ca_file=str(authority.certificate),
            secrets_dir=str(stack.secrets_dir),
            account=SETUP,
            store_timeout_seconds=30.0,
            cache_timeout_seconds=30.0,
        )
        yield Services(settings, Authority(folder / "other").certificate)
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.mark.parametrize("size", [0, 1, 100_000, 5_000_000])
def test_objects_go_to_minio_and_come_back(good: Services, size: int) -> None:
    store, data = ObjectStore(good.settings), os.urandom(size)

    assert store.create(_BUCKET, f"{size}/one", data, "image/jpeg")
    assert not store.create(_BUCKET, f"{size}/one", b"other", "image/jpeg")
    store.put_many(_BUCKET, {f"{size}/two": data, f"{size}/three": b"x"}, "image/jpeg")

    keys = [f"{size}/{name}" for name in ("one", "two", "three", "none")]
    assert store.get_many(_BUCKET, keys) == [data, data, b"x", None]
    assert sorted(store.keys(_BUCKET, f"{size}/")) == sorted(keys[:3])


def test_results_are_kept_in_redis(good: Services) -> None:
    cache = ResultCache(good.settings)

    cache.put("tenant", "image", "model", b"result")

    assert cache.get("tenant", "image", "model") == b"result"


def test_a_certificate_that_is_wrong_is_refused_and_told(
    bad: tuple[Services, str, str], caplog: pytest.LogCaptureFixture
) -> None:
    running, said, mends = bad

    with pytest.raises(Unavailable) as refused:
        ObjectStore(running.settings).get(_BUCKET, "one")
    with caplog.at_level(logging.WARNING):
        assert not ResultCache(running.settings).answers()

    (record,) = [each for each in caplog.records if each.message == "redis does not answer"]
    told = {"MINIO_ENDPOINT": str(refused.value), "REDIS_URL": record.__dict__["reason"]}
    for address, text in told.items():
        assert said in text
        assert mends.format(address=address) in text
    with pytest.raises(Unavailable, match="its certificate is refused"):
        administration.apply(running.settings)


def test_another_authority_does_not_vouch_for_it(good: Services) -> None:
    settings = replace(good.settings, services_ca_file=str(good.other))

    with pytest.raises(Unavailable, match="let SERVICES_CA_FILE name"):
        ObjectStore(settings).get(_BUCKET, "one")
    assert not ResultCache(settings).answers()


def test_without_a_file_the_machine_s_own_authorities_count(good: Services) -> None:
    settings = replace(good.settings, services_ca_file="")

    with pytest.raises(Unavailable, match="its certificate is refused"):
        ObjectStore(settings).get(_BUCKET, "one")
    assert not ResultCache(settings).answers()


def test_a_file_that_holds_no_certificate_is_named(good: Services, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")

    for file in (empty, tmp_path / "none.pem"):
        settings = replace(good.settings, services_ca_file=str(file))
        for client in (ObjectStore, ResultCache):
            with pytest.raises(SettingsError, match="SERVICES_CA_FILE=") as refused:
                client(settings)
            assert str(file) in str(refused.value)


def test_tls_and_none_do_not_meet(good: Services) -> None:
    plain = replace(good.settings, minio_tls=0)
    redis_port = int(good.settings.redis_url.rpartition(":")[2].partition("/")[0])

    with pytest.raises(Unavailable, match="MINIO_TLS=1"):
        ObjectStore(plain).get(_BUCKET, "one")
    crossed = replace(good.settings, redis_url=f"redis://127.0.0.1:{redis_port}/0")
    assert not ResultCache(crossed).answers()


def test_the_doctor_looks_at_both(good: Services, bad: tuple[Services, str, str]) -> None:
    for running, state in ((good, "warning"), (bad[0], "failed")):
        settings = running.settings
        told = {
            "MINIO_ENDPOINT": settings.minio_endpoint,
            "MINIO_TLS": "1",
            "REDIS_URL": settings.redis_url,
            "SERVICES_CA_FILE": settings.services_ca_file,
            "STATE_DIR": "/nowhere",
        }

        (found,) = certificates.examine(Deployment(told, Path("stack.yml")))

        assert found.state == state, found  # the good one is good for two days
        assert "MINIO_ENDPOINT" in found.found
        assert "REDIS_URL" in found.found
