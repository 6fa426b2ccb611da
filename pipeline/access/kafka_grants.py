"""The accounts' rights in Kafka's words: operations on topics and consumer groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.access.accounts import Account

TOPIC, GROUP, CLUSTER = "topic", "group", "cluster"
_THE_CLUSTER = "kafka-cluster"
_ANY = "*"
# Whoever may read or write may follow as well: Kafka sees to that.
_TOPIC_OPERATIONS = {
    "read": "READ",
    "write": "WRITE",
    "follow": "DESCRIBE",
    "grow": "ALTER",
    "inspect": "DESCRIBE_CONFIGS",
}
_GROUP_OPERATIONS = {"join": "READ", "follow": "DESCRIBE"}


@dataclass(frozen=True, order=True)
class Grant:
    """One operation on one resource; kinds are `TOPIC`, `GROUP`, `CLUSTER`."""

    kind: str
    name: str
    operation: str


def grants(account: Account, groups: Mapping[str, str]) -> list[Grant]:
    """Tell what the account may do.

    Args:
        groups: consumer groups by what the table calls them.
    """
    return sorted(_grant(right, groups) for right in account.kafka)


def _grant(right: str, groups: Mapping[str, str]) -> Grant:
    verb, *place = right.split(" ")
    if len(place) == 2 and place[0] == GROUP and verb in _GROUP_OPERATIONS:
        return Grant(GROUP, _ANY if place[1] == _ANY else groups[place[1]], _GROUP_OPERATIONS[verb])
    if (verb, *place) == ("follow", CLUSTER):
        return Grant(CLUSTER, _THE_CLUSTER, "DESCRIBE")
    if len(place) == 1 and verb in _TOPIC_OPERATIONS:
        return Grant(TOPIC, place[0], _TOPIC_OPERATIONS[verb])
    raise ValueError(f"{right!r}: expected VERB TOPIC or VERB group NAME")
