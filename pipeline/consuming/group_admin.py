"""What librdkafka cannot ask of Kafka: that another member leaves the group.

A process of its own asks: it is seldom needed, and its client takes 10 MB for good. It is told how
to connect on its standard input, as a login is among that.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import MemberToRemove
from kafka.errors import KafkaError, NoError, UnknownMemberIdError

# Beyond that the session is over by itself.
_TIMEOUT_SECONDS = 5


def main() -> None:
    """Expel a member, and end with what stood in the way."""
    group, member_id = sys.argv[1:]
    try:
        _expel(json.load(sys.stdin), group, member_id)
    except KafkaError as error:
        sys.exit(str(error))


def _expel(access: dict[str, Any], group: str, member_id: str) -> None:
    admin = KafkaAdminClient(
        **access,
        bootstrap_timeout_ms=_TIMEOUT_SECONDS * 1000,
        request_timeout_ms=_TIMEOUT_SECONDS * 1000,
    )
    try:
        member = MemberToRemove(member_id=member_id)
        outcome = admin.remove_group_members(group, [member])[member_id]
    finally:
        admin.close()
    if outcome not in (NoError, UnknownMemberIdError):
        raise outcome


if __name__ == "__main__":
    main()
