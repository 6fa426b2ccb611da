"""FastStream: an event in, a stored result and a result event out, at least once.

`python -m bench.peers.faststream_worker IN OUT` is one worker; Kafka shares the partitions out.
"""

# No `from __future__ import annotations`: FastStream reads the annotations itself, not their text.

import asyncio
import os
import sys

from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker, KafkaMessage
from faststream.security import SASLPlaintext

from bench.peers.work import Work
from pipeline.access.accounts import KAFKA
from pipeline.settings import Settings

_GROUP = "faststream"


def app(taken: str, given: str) -> FastStream:
    """Its default acknowledges a message before it is worked on: `ACK` is at least once."""
    work = Work()
    settings = Settings.from_env(os.environ)
    login = settings.secrets.login(KAFKA).now()
    broker = KafkaBroker(
        settings.kafka_bootstrap_servers,
        security=SASLPlaintext(login.name, login.password),
        logger=None,
    )

    @broker.subscriber(
        taken, group_id=_GROUP, auto_offset_reset="earliest", ack_policy=AckPolicy.ACK
    )  # type: ignore[untyped-decorator]
    @broker.publisher(given)  # type: ignore[untyped-decorator]
    def classify(message: KafkaMessage) -> bytes:
        return work.store(message.body)

    return FastStream(broker, logger=None)


if __name__ == "__main__":
    asyncio.run(app(*sys.argv[1:]).run())
