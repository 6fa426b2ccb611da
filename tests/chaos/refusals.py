"""How the dead-letter topic is made to refuse every letter, and how that is seen to be tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from pipeline.ids import RESULT_BUCKET, failure_key
from pipeline.kafka import topics
from pipeline.kafka.clients import connection
from tests.chaos.ledger import Entry
from tests.local_stack import LocalStack
from tests.stack import until

_ADMIN_SECONDS = 60.0
_LIMIT = "max.message.bytes"
# No letter is so small.
_REFUSED_BYTES = 100


@contextmanager
def refusing(stack: LocalStack) -> Iterator[None]:
    """Let the dead-letter topic refuse what is written to it, from the first letter on."""
    _limit_letters(stack, _REFUSED_BYTES)
    try:
        yield
    finally:
        _limit_letters(stack, topics.FAILURES.max_event_bytes)


def have_failed(stack: LocalStack, entries: Iterable[Entry]) -> bool:
    """Tell whether each failure is stored, which is done before its letter is sent."""
    keys = (failure_key(entry.tenant, entry.job_id or "") for entry in entries)
    return all(stack.store.exists(RESULT_BUCKET, key) for key in keys)


def _limit_letters(stack: LocalStack, size: int) -> None:
    entry = ConfigEntry(_LIMIT, str(size), incremental_operation=AlterConfigOpType.SET)
    kind, name = ConfigResource.Type.TOPIC, topics.FAILURES.name
    resource = ConfigResource(kind, name, incremental_configs=[entry])
    client = AdminClient({**connection(stack.settings), "log_level": 0})
    for future in client.incremental_alter_configs([resource]).values():
        future.result(_ADMIN_SECONDS)
    # The controller has it then, and the broker a moment later.
    until(lambda: _limit_in_force(client, ConfigResource(kind, name)) == size)


def _limit_in_force(client: AdminClient, topic: ConfigResource) -> int:
    (described,) = client.describe_configs([topic]).values()
    return int(described.result(_ADMIN_SECONDS)[_LIMIT].value)
