"""async-call-consumer: takes calls and makes those that wait, until SIGTERM."""

from __future__ import annotations

import signal
from dataclasses import replace
from functools import partial

from acceptance import Acceptance
from callbacks import Callbacks
from calls_consumer import CallsConsumer
from direct import PATH as DIRECT_PATH
from direct import Direct
from door import PATH, Door
from invocation import FunctionClient, Tokens
from pipeline import telemetry
from pipeline.consuming.expulsion import expel
from pipeline.consuming.group_consumer import run_to_its_end
from pipeline.consuming.member_file import MemberFile
from pipeline.consuming.membership import Membership, ask_broker
from pipeline.consuming.retries import RetryPolicy
from pipeline.http.health import serve
from pipeline.kafka import topics
from pipeline.kafka.backlog import BacklogProbe
from pipeline.kafka.publisher import Publisher
from pipeline.settings import Settings
from pipeline.storage.object_store import ObjectStore
from processing import CallProcessor


def main() -> None:
    """Run until SIGTERM."""
    told = Settings.of_this_process("async-call-consumer")
    settings = replace(told, consumer_group=told.async_call_group)
    telemetry.configure("async-call-consumer", settings.log_level)
    member_file = MemberFile.of(settings)
    member_file.expel_predecessor()
    callbacks = Callbacks(settings.async_callback_urls, settings.async_callback_seconds)
    key = settings.secrets.text("async-call-key")
    tokens = Tokens(settings)
    publisher, store = Publisher(settings), ObjectStore(settings)
    processor = CallProcessor(
        FunctionClient(settings, tokens),
        callbacks,
        publisher,
        store,
        RetryPolicy.from_settings(settings),
        key=key,
        wait_seconds=settings.async_call_wait_seconds,
    )
    membership = Membership(
        partial(ask_broker, settings), partial(expel, settings), note=member_file.note
    )
    consumer = CallsConsumer(settings, processor, membership, key)
    acceptance = Acceptance(
        tokens,
        callbacks,
        publisher,
        store,
        partial(BacklogProbe, settings, read=topics.CALLS_READ),
        key=key,
        most_waiting=settings.max_queued_calls,
        most_bytes=settings.max_body_bytes,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: consumer.stop())
    door = Door(acceptance, settings.max_body_bytes)
    serve(
        settings.listen_host,
        settings.async_call_port,
        consumer.why_unhealthy,
        others={PATH: door, DIRECT_PATH: Direct(door)},
    )
    run_to_its_end(consumer, member_file, publisher)


if __name__ == "__main__":
    main()
