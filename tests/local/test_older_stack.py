"""A stack of 0.1, where all used MinIO's root, and nobody else asked for a login, goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from minio import Minio
from minio.error import S3Error

from form import SentFile
from local.machine import files
from local.services.servers import kafka, minio
from local.services.settings import Stack as Services
from local.services.supervision import probes
from models import bundle
from pipeline.access.accounts import SETUP
from pipeline.access.login import Login
from pipeline.ids import BUCKETS, PROCESSED_BUCKET, Job, JobIds
from pipeline.images.decoding import Limits
from pipeline.kafka import administration
from pipeline.kafka.publisher import Publisher
from pipeline.settings import Settings
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.signing import REGION
from tests.local import as_user
from tests.local_stack import LocalStack, unstarted_stack
from tests.pictures import fresh
from tests.stack import ROOT, until
from upload import Uploads

ROOT_LOGIN = Login("pipeline-0a1b2c3d", "the-password-of-root-in-0.1")
SIGNING_KEY = "the-key-that-0.1-signed-with"
API_KEY = "An.old+key/"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SECONDS = 60.0
# What the broker's configuration has that 0.1 had not.
NEW = ("sasl.", "authorizer.", "super.users", "inter.broker.", "#")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalStack, Job, str]]:
    """The stack, a job that 0.1 accepted and did not finish, and what the first `up` told."""
    folder = tmp_path_factory.mktemp("older") / "state"
    with unstarted_stack(folder) as stack:
        job = _fill(Services.from_env(stack.environment), folder.parent)
        told = stack.command("up")
        assert told.returncode == 0, told.stdout + told.stderr
        yield stack, job, told.stdout


def _fill(services: Services, folder: Path) -> Job:
    """Make what 0.1 leaves behind: secrets, buckets and topics, and an image that waits in both."""
    for name, text in {
        "minio-access-key": ROOT_LOGIN.name,
        "minio-secret-key": ROOT_LOGIN.password,
        "job-signing-key": SIGNING_KEY,
    }.items():
        files.write(services.secrets_dir / name, text, files.PRIVATE)
    files.write(services.api_key_file, API_KEY, files.PRIVATE)
    files.write(folder / "secrets" / "minio-setup", str(ROOT_LOGIN), files.PRIVATE)
    settings = Settings(
        minio_endpoint=f"127.0.0.1:{services.ports.minio}",
        kafka_bootstrap_servers=f"127.0.0.1:{services.ports.kafka}",
        kafka_security_protocol="PLAINTEXT",
        secrets_dir=str(folder / "secrets"),
        account=SETUP,
        store_timeout_seconds=SECONDS,
        produce_timeout_seconds=SECONDS,
    )
    with _minio(services, folder), _kafka(services, folder):
        client = _client(settings.minio_endpoint, ROOT_LOGIN)
        for bucket in BUCKETS:
            client.make_bucket(bucket)
        administration.apply(settings)
        return _accept(settings, folder)


def _accept(settings: Settings, folder: Path) -> Job:
    demonstration = bundle.prepare(ROOT / "models" / "demonstration", folder / "cache")
    publisher = Publisher(settings)
    uploads = Uploads(
        limits=Limits.from_settings(settings),
        store=ObjectStore(settings),
        publisher=publisher,
        job_ids=JobIds(SIGNING_KEY),
        model_id=demonstration.manifest.model_id,
    )
    try:
        return uploads.accept("default", SentFile(fresh("of 0.1"), "old.jpg"), TRACE_ID)
    finally:
        publisher.close()


@contextmanager
def _minio(services: Services, folder: Path) -> Iterator[None]:
    """MinIO as 0.1 started it: it encrypted nothing."""
    services.data_dir("minio").mkdir(parents=True)
    told = minio.environment(services)
    without = {name: text for name, text in told.items() if not name.startswith("MINIO_KMS_")}
    with _running(minio.command(services), folder, without):
        probe = probes.Http(services.listening.minio, "/minio/health/ready")
        until(lambda: probe() == "", SECONDS)
        yield


@contextmanager
def _kafka(services: Services, folder: Path) -> Iterator[None]:
    """The broker as 0.1 configured it: nobody has a login, everybody may do everything."""
    kafka.prepare(services)
    properties = services.state_dir / "kafka.properties"
    lines = properties.read_text().splitlines()
    kept = [line for line in lines if not line.startswith(NEW)]
    text = "\n".join(kept).replace("CLIENTS", "PLAINTEXT").replace("SASL_PLAINTEXT", "PLAINTEXT")
    files.write(properties, text)
    subprocess.run(_plain(kafka.format_command(services)), check=True, timeout=SECONDS)
    with _running(_plain(kafka.command(services)), folder, {}):
        probe = probes.Kafka(services.listening.kafka)
        until(lambda: probe() == "", SECONDS)
        yield


def _plain(command: list[str]) -> list[str]:
    return [word for word in command if "auth.login" not in word]


@contextmanager
def _running(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with (folder / "before.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **environment}
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def _client(endpoint: str, login: Login) -> Minio:
    return Minio(endpoint, login.name, login.password, secure=False, region=REGION)


def test_the_terminal_tells_once_what_has_changed(old: tuple[LocalStack, Job, str]) -> None:
    stack, _, told = old

    again = stack.command("up").stdout

    assert "Each process has an account of its own from now on" in told
    assert "each function is a user of its own" in told
    assert "of its own" not in again


def test_what_it_had_stored_is_its_servers_now(old: tuple[LocalStack, Job, str]) -> None:
    stack, _, _ = old
    data = stack.state_dir / "data"
    owners = {
        name: {path.lstat().st_uid for path in (data / name).rglob("*")}
        for name in ("minio", "kafka")
    }

    for name, found in owners.items():
        assert found == {as_user.owner_of(stack.pid(name)).user}, name


def test_what_it_had_accepted_is_finished_and_its_key_and_job_ids_stay_valid(
    old: tuple[LocalStack, Job, str],
) -> None:
    stack, job, _ = old

    assert stack.api_key == API_KEY
    assert stack.finished(job.job_id)["status"] == "completed"


def test_root_keeps_its_password_and_no_function_has_it(
    old: tuple[LocalStack, Job, str],
) -> None:
    stack, _, _ = old
    endpoint = stack.settings.minio_endpoint
    own = replace(stack.settings, account="image-upload").secrets.login("minio").now()
    given = {path.name for path in stack.state_dir.glob("provider/replicas/*/secrets/*")}

    assert _client(endpoint, ROOT_LOGIN).bucket_exists(BUCKETS[0])
    with pytest.raises(S3Error, match="AccessDenied"):
        list(_client(endpoint, own).list_objects(PROCESSED_BUCKET))
    assert "minio-image-upload" in given
    assert not {name for name in given if name in ("minio-access-key", "minio-setup")}
