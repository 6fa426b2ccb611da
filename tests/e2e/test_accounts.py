"""Each account in MinIO, Kafka and Redis may do what the table says, and nothing else."""

from __future__ import annotations

import fnmatch
import io
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import cast

import pytest
from confluent_kafka import (
    OFFSET_END,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from minio import Minio
from minio.error import S3Error

from pipeline.access import accounts
from pipeline.access.accounts import GROUPS, KAFKA, MINIO, REDIS, SETUP, Account
from pipeline.access.login import Login
from pipeline.ids import BUCKETS
from pipeline.kafka.clients import connection
from pipeline.kafka.topics import RESULTS, TOPICS
from pipeline.settings import Settings
from pipeline.storage.signing import REGION
from tests.chaos import buckets
from tests.stack import Stack, until

SECONDS = 60.0
KEYS = (
    "access-matrix/ab/object",
    "failures/access-matrix/object",
    "cancelled/access-matrix/object",
    "current",
)
# Larger than any topic takes: who may write is told so, and nothing is written.
TOO_LARGE = bytes(max(topic.max_event_bytes for topic in TOPICS) + 1_000_000)
ON_ITS_WAY = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
}
REDIS_KEYS = ("result:access-matrix", "mark:access-matrix", "other:access-matrix")
REDIS_COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "get": (("get", "{}"), ("mget", "{}", "{}")),
    "put": (("set", "{}", "x", "ex", "1"), ("set", "{}", "x", "ex", "1", "nx")),
    "remove": (("del", "{}"),),
}
REFUSED_TO_ALL = (
    ("expire", "result:access", "1"),
    ("keys", "*"),
    ("scan", "0"),
    ("flushall",),
    ("config", "get", "*"),
    ("acl", "list"),
    ("client", "list"),
    ("eval", "return 1", "0"),
    ("subscribe", "any"),
    ("monitor",),
    ("shutdown",),
)


def known(stack: Stack, service: str) -> Iterator[tuple[Account, Settings, Login]]:
    """Every account that has a login at a service."""
    for account in accounts.having(service):
        settings = replace(stack.settings, account=account.name)
        yield account, settings, settings.secrets.login(service).now()


def may(account: Account, verb: str, bucket: str, key: str) -> bool:
    rights = (right.split(" ") for right in account.minio)
    allowed = [place for each, place in rights if each == verb]
    return bucket in allowed or any(fnmatch.fnmatch(f"{bucket}/{key}", each) for each in allowed)


def is_let(client: Minio, verb: str, bucket: str, key: str, content: bytes) -> bool:
    try:
        if verb == "get":
            client.get_object(bucket, key).close()
        elif verb == "put":
            client.put_object(bucket, key, io.BytesIO(content), len(content))
        elif verb == "list":
            next(iter(client.list_objects(bucket, prefix=key)), None)
        else:
            client.remove_object(bucket, f"{key}-that-is-not-there")
    except S3Error as error:
        if error.code not in ("AccessDenied", "NoSuchKey"):
            raise
        return error.code == "NoSuchKey"
    return True


def test_each_account_reaches_its_objects_in_minio_and_no_other(stack: Stack) -> None:
    root = buckets.client(stack)
    current = root.get_object("models", "current").data
    wrong = []
    try:
        for account, settings, login in known(stack, MINIO):
            client = Minio(
                settings.minio_endpoint, login.name, login.password, secure=False, region=REGION
            )
            cells = product(("get", "put", "delete", "list"), BUCKETS, KEYS)
            for verb, bucket, key in cells:
                # What another process reads is written as it was.
                content = current if (bucket, key) == ("models", "current") else b"x"
                expected = may(account, verb, bucket, key)
                if is_let(client, verb, bucket, key, content) != expected:
                    wrong.append(f"{account.name}: {verb} {bucket}/{key}, expected {expected}")
            with pytest.raises(S3Error, match="AccessDenied"):
                client.make_bucket("access-matrix")
            with pytest.raises(S3Error, match="AccessDenied"):
                client.set_bucket_policy(BUCKETS[0], "{}")
    finally:
        for bucket, key in product(BUCKETS, KEYS):
            if (bucket, key) != ("models", "current"):
                root.remove_object(bucket, key)

    assert wrong == []


def test_each_account_may_use_its_commands_and_keys_in_redis(stack: Stack) -> None:
    wrong = []
    for account, settings, login in known(stack, REDIS):
        cells = [
            (tuple(word.format(key) for word in words), f"{verb} {key.partition(':')[0]}:*")
            for verb, commands in REDIS_COMMANDS.items()
            for words in commands
            for key in REDIS_KEYS
        ]
        cells += [(words, "") for words in REFUSED_TO_ALL]
        for words, right in cells:
            said = redis_cli(settings, login, *words)
            if ("NOPERM" not in said) != (right in account.redis):
                wrong.append(f"{account.name}: {' '.join(words)}: {said}")
        assert "PONG" in redis_cli(settings, login, "ping")

    assert wrong == []


@pytest.mark.parametrize("name", ["", "default", SETUP, "image-upload-a"])
def test_redis_lets_nobody_in_without_the_password(stack: Stack, name: str) -> None:
    login = Login(name, "guessed") if name else None

    said = redis_cli(stack.settings, login, "get", "result:access")

    assert "NOAUTH" in said


def redis_cli(settings: Settings, login: Login | None, *words: str) -> str:
    """Ask as a person does; what was answered, and what of the login."""
    place = settings.redis_url.removeprefix("redis://").partition("/")[0]
    host, _, port = place.rpartition(":")
    user = ("--user", login.name) if login else ()
    environment = {**os.environ, **({"REDISCLI_AUTH": login.password} if login else {})}
    done = subprocess.run(
        ["redis-cli", "-h", host, "-p", port, *user, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return done.stdout + done.stderr


def test_each_account_writes_its_topics_and_no_other(stack: Stack) -> None:
    wrong = []
    for account, settings, _ in known(stack, KAFKA):
        answers = written(settings)
        expected = {
            topic.name: KafkaError.MSG_SIZE_TOO_LARGE
            if f"write {topic.name}" in account.kafka
            else KafkaError.TOPIC_AUTHORIZATION_FAILED
            for topic in TOPICS
        }
        if answers != expected:
            wrong.append((account.name, answers, expected))

    assert wrong == []


def written(settings: Settings) -> dict[str, int]:
    """What Kafka answers to a message in each topic, by its codes."""
    answers: dict[str, int] = {}
    producer = Producer({**connection(settings), "message.max.bytes": 2 * len(TOO_LARGE)})
    for topic in TOPICS:

        def note(error: KafkaError | None, _: object, name: str = topic.name) -> None:
            answers[name] = error.code() if error else KafkaError.NO_ERROR

        try:
            producer.produce(topic.name, TOO_LARGE, on_delivery=note)
        except KafkaException as error:  # known already
            note(error.args[0], None)
    assert producer.flush(SECONDS) == 0
    return answers


def test_each_account_reads_its_topics_and_no_other(stack: Stack) -> None:
    wrong = []
    for account, settings, _ in known(stack, KAFKA):
        for topic in TOPICS:
            is_read = can_read(settings, topic.name)
            if is_read != (f"read {topic.name}" in account.kafka):
                wrong.append(f"{account.name}: read {topic.name}: {is_read}")

    assert wrong == []


def can_read(settings: Settings, topic: str) -> bool:
    told = {"group.id": "access-matrix", "enable.partition.eof": True, "fetch.wait.max.ms": 10}
    consumer = Consumer({**connection(settings), **told})
    try:
        if consumer.list_topics(topic, timeout=SECONDS).topics[topic].error is not None:
            return False  # it may not even ask for it, and a client that does waits for ever
        consumer.assign([TopicPartition(topic, 0, OFFSET_END)])
        return until(lambda: answer_to(consumer), SECONDS) == "read"
    finally:
        consumer.close()


def answer_to(consumer: Consumer) -> str | None:
    """What the broker says to who reads; nothing yet, or trouble on the way: None."""
    if (message := consumer.poll(0.1)) is None:
        return None
    if (error := message.error()) is None or error.code() == KafkaError._PARTITION_EOF:
        return "read"
    return "refused" if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED else None


def test_each_account_joins_and_follows_its_groups_and_no_other(stack: Stack) -> None:
    wrong = []
    for account, settings, _ in known(stack, KAFKA):
        for word, name in GROUPS.items():
            group = str(getattr(settings, name))
            joins = f"join group {word}" in account.kafka
            follows = joins or {f"follow group {word}", "follow group *"} & {*account.kafka}
            found = can_commit(settings, group), can_follow(settings, group)
            if found != (joins, bool(follows)):
                wrong.append(f"{account.name}: {group}: {found}, expected {(joins, bool(follows))}")

    assert wrong == []


def can_commit(settings: Settings, group: str) -> bool:
    """Commit as one who is no member, which a group that has some refuses for that alone."""

    def commit(client: AdminClient) -> KafkaError | None:
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(RESULTS.name, 0, 0)])
        asked = client.alter_consumer_group_offsets([wanted], request_timeout=SECONDS)
        (place,) = asked[group].result(SECONDS).topic_partitions
        return cast("KafkaError | None", place.error)

    return is_allowed(settings, commit)


def can_follow(settings: Settings, group: str) -> bool:
    def describe(client: AdminClient) -> None:
        asked = client.describe_consumer_groups([group], request_timeout=SECONDS)
        asked[group].result(SECONDS)

    return is_allowed(settings, describe)


def is_allowed(settings: Settings, ask: Callable[[AdminClient], KafkaError | None]) -> bool:
    """Ask until the group's coordinator has answered: it may be on its way."""
    client = AdminClient({**connection(settings), "log_level": 0})

    def answer() -> str | None:
        try:
            error = ask(client)
        except KafkaException as refused:
            error = refused.args[0]
        code = error.code() if error else KafkaError.NO_ERROR
        if code in ON_ITS_WAY:
            return None
        return "refused" if code == KafkaError.GROUP_AUTHORIZATION_FAILED else "allowed"

    return until(answer, SECONDS) == "allowed"


def test_a_function_cannot_forge_a_result_event(stack: Stack) -> None:
    upload = replace(stack.settings, account="image-upload")
    classifier = replace(stack.settings, account="image-classifier")

    assert written(upload)[RESULTS.name] == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert "kafka-image-classifier" not in {
        accounts.secret_name(KAFKA, account.name) for account in accounts.having(KAFKA)
    }
    assert not classifier.secrets.later_login(KAFKA).path.exists()


@pytest.mark.parametrize(
    "given",
    [
        {"security.protocol": "PLAINTEXT"},
        {"sasl.mechanism": "PLAIN", "sasl.username": SETUP, "sasl.password": "guessed"},
        {"sasl.mechanism": "SCRAM-SHA-256", "sasl.username": SETUP, "sasl.password": "guessed"},
        {"sasl.username": "image-upload-a", "sasl.password": "guessed"},
        {"sasl.username": "nobody", "sasl.password": "guessed"},
    ],
)
def test_kafka_lets_nobody_in_without_the_password(stack: Stack, given: dict[str, str]) -> None:
    let_in = connection(replace(stack.settings, account="image-upload"))
    told = {**let_in, **given, "group.id": "access-matrix", "log_level": 0}
    if given.get("security.protocol") == "PLAINTEXT":
        told = {name: text for name, text in told.items() if not name.startswith("sasl.")}
    consumer = Consumer(told)
    try:
        with pytest.raises(KafkaException):
            consumer.list_topics(timeout=2)
    finally:
        consumer.close()
