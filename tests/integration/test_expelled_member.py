"""A real Kafka lets a member be expelled by another client, and says nothing if it left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient

from pipeline.consuming.expulsion import expel
from pipeline.errors import Unavailable
from pipeline.kafka.clients import connection
from tests.kafka_members import SECONDS, RealTopic
from tests.nowhere import unanswered
from tests.stack import Stack

# Joins, tells its name, and goes on being a member until it is killed.
_MEMBER = """
import json
import sys
from confluent_kafka import Consumer
access, group, topic = sys.argv[1:]
client = Consumer({**json.loads(access), "group.id": group, "session.timeout.ms": 45000})
client.subscribe([topic], on_assign=lambda *_: print(client.memberid(), flush=True))
while True:
    client.poll(0.1)
"""


def members_of(topic: RealTopic) -> set[str]:
    admin = AdminClient(connection(topic.settings))
    described = admin.describe_consumer_groups([topic.name])[topic.name].result(SECONDS)
    return {member.member_id for member in described.members}


def test_a_killed_member_is_gone_before_its_session_ends(stack: Stack) -> None:
    topic = RealTopic(stack)
    access = json.dumps(connection(topic.settings))
    with subprocess.Popen(
        [sys.executable, "-c", _MEMBER, access, topic.name, topic.name],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            member_id = process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGKILL)
    assert members_of(topic) == {member_id}

    expel(topic.settings, member_id)

    assert members_of(topic) == set()
    expel(topic.settings, member_id)  # once more: it left already


def test_a_kafka_that_is_away_is_unavailable(stack: Stack) -> None:
    with unanswered() as address:
        settings = replace(stack.settings, kafka_bootstrap_servers=address)

        with pytest.raises(Unavailable, match="rdkafka-1 stays in"):
            expel(settings, "rdkafka-1")
