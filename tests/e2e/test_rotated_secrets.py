"""Every secret that imagectl rotates takes another's place under load, and no request fails."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from confluent_kafka import Consumer, KafkaException
from minio import Minio
from minio.error import S3Error

from pipeline.access import accounts
from pipeline.access.accounts import ACCOUNTS, KAFKA, MINIO, REDIS, SERVICES, SETUP
from pipeline.access.login import Login
from pipeline.access.secret_file import keys_of
from pipeline.kafka.clients import connection
from pipeline.storage.signing import REGION
from tests.imagectl import imagectl
from tests.pictures import fresh
from tests.redis_client import redis_of
from tests.sending import PATIENT, answered
from tests.stack import Stack, run_module, until

KEY = {"Idempotency-Key": f'"{os.urandom(8).hex()}"'}
CLIENTS = 3
# Before and after: what was under way shows, too.
UPLOADS = 10


class Load:
    """Clients that upload, wait for the result, and ask for the job, one after the other."""

    def __init__(self, stack: Stack) -> None:
        self.answers: Counter[str] = Counter()
        self._stack = stack
        self._ending = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        clients = [threading.Thread(target=self._upload, args=(each,)) for each in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            self.more()
            yield
            self.more()
        finally:
            self._ending.set()
            for client in clients:
                client.join()

    def more(self) -> None:
        """Wait until so many more were answered."""
        wanted = self.answers.total() + UPLOADS
        until(lambda: self.answers.total() >= wanted, 300)

    def _upload(self, client: int) -> None:
        number = 0
        while not self._ending.is_set():
            number += 1
            try:
                sent = self._stack.upload(fresh(f"rotation {client} {number}"), Prefer="wait=30")
                if sent.status_code not in (200, 202):
                    self.answers[sent.text] += 1
                    continue
                self.answers[self._end(sent.json()["jobId"])] += 1
            except requests.RequestException as error:
                self.answers[repr(error)] += 1

    def _end(self, job: str) -> str:
        """How a job ended: on a busy machine after more than one may wait for it."""

        def end() -> str | None:
            found = self._stack.get(f"/api/v1/jobs/{job}")
            state = str(found.json().get("status", "")) if found.ok else found.text
            return None if state == "pending" else state

        return until(end, 300)


@pytest.fixture(scope="module")
def before(stack: Stack) -> dict[str, str]:
    return {name: stack.secret(name) for name in names()}


@pytest.fixture(scope="module")
def job(stack: Stack) -> str:
    """One that was accepted before anything was rotated."""
    job_id = until(lambda: sent_with_key(stack))
    stack.finished(job_id)
    return job_id


def sent_with_key(stack: Stack) -> str | None:
    answer = stack.upload(fresh("before the rotation"), **KEY)
    return str(answer.json()["jobId"]) if answer.status_code == 202 else None


@pytest.fixture(scope="module")
def rotated(stack: Stack, before: dict[str, str], job: str) -> Counter[str]:
    """What clients were answered while everything was rotated."""
    load = Load(stack)
    patient = stack.given("image-upload", **PATIENT), stack.given("image-results", **PATIENT)
    with patient[0], patient[1], load.running():
        done = imagectl(stack, "secrets", "rotate", "--all")
        assert done.returncode == 0, done.stdout + done.stderr
    return load.answers


def names() -> list[str]:
    logins = [
        accounts.secret_name(service, account.name)
        for account in ACCOUNTS
        for service in SERVICES
        if account.rights(service)
    ]
    return [*logins, "job-signing-key"]


def test_no_request_fails_while_everything_is_rotated(rotated: Counter[str]) -> None:
    assert rotated.keys() == {"completed"}


def test_every_secret_has_changed(
    stack: Stack, before: dict[str, str], rotated: Counter[str]
) -> None:
    assert [name for name in names() if stack.secret(name) == before[name]] == []


def test_the_old_logins_are_refused(
    stack: Stack, before: dict[str, str], rotated: Counter[str]
) -> None:
    let_in = []
    for name, text in before.items():
        service = name.partition("-")[0]
        if service in SERVICES and is_let_in(stack, service, Login.parse(text)):
            let_in.append(name)

    assert let_in == []


def is_let_in(stack: Stack, service: str, login: Login) -> bool:
    settings = stack.settings
    if service == MINIO:
        client = Minio(
            settings.minio_endpoint, login.name, login.password, secure=False, region=REGION
        )
        try:
            next(iter(client.list_objects("input-images")), None)
        except S3Error as error:
            return error.code != "InvalidAccessKeyId"
        return True
    if service == REDIS:
        with redis_of(stack) as redis:
            return login.name in redis.acl_users()
    assert service == KAFKA
    told = connection(replace(settings, account="imagectl"))
    told |= {"sasl.username": login.name, "sasl.password": login.password, "log_level": 0}
    consumer = Consumer({**told, "group.id": "rotated"})
    try:
        consumer.list_topics(timeout=2)
    except KafkaException:
        return False
    finally:
        consumer.close()
    return True


def test_a_job_id_of_the_key_before_is_still_one(
    stack: Stack, job: str, rotated: Counter[str], before: dict[str, str]
) -> None:
    keys = keys_of(stack.secret("job-signing-key"))

    assert keys[1] == before["job-signing-key"].split()[0]
    found = answered(lambda: stack.get(f"/api/v1/jobs/{job}"))
    assert found.json()["status"] == "completed"


def test_a_request_that_is_sent_again_is_the_same_job_as_before(
    stack: Stack, job: str, rotated: Counter[str]
) -> None:
    assert until(lambda: sent_with_key(stack)) == job


@pytest.mark.parametrize(
    "name", ["image-upload", "image-process-consumer", "redis", "minio", "kafka"]
)
def test_what_is_started_anew_comes_back_with_the_new_logins(
    stack: Stack, rotated: Counter[str], name: str
) -> None:
    stack.kill(name)

    until(stack.is_sound, 300)
    sent = until(lambda: _accepted(stack, name), 300)
    assert stack.finished(sent)["status"] == "completed"


def _accepted(stack: Stack, name: str) -> str | None:
    answer = stack.upload(fresh(f"after {name}"))
    return str(answer.json()["jobId"]) if answer.status_code == 202 else None


def test_set_ups_own_login_and_unknown_names_are_not_rotated(stack: Stack) -> None:
    done = imagectl(stack, "secrets", "rotate", SETUP, "nobody")

    assert done.returncode == 1
    assert "nobody, setup cannot be rotated; what can: image-upload," in done.stderr


def test_a_secrets_file_that_cannot_be_read_is_named(stack: Stack, tmp_path: Path) -> None:
    environment = {**stack.operator, "SECRETS_DIR": str(tmp_path)}
    for name in ("basic-auth-user", "basic-auth-password"):
        (tmp_path / name).write_text("x")

    words = ("secrets", "rotate", "viewer")
    done = run_module("imagectl", *words, cwd=stack.root, environment=environment, seconds=60)

    assert done.returncode == 1
    assert str(tmp_path / "minio-viewer") in done.stderr
