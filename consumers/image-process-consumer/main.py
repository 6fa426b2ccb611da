"""image-process-consumer: reads events until SIGTERM."""

from __future__ import annotations

import signal
from functools import partial

from call_limit import CallLimit
from circuit_breaker import Breaker
from consumer import ImageProcessConsumer
from invoke import ClassifierClient
from pipeline import telemetry
from pipeline.consuming.expulsion import expel
from pipeline.consuming.group_consumer import run_to_its_end
from pipeline.consuming.member_file import MemberFile
from pipeline.consuming.membership import Membership, ask_broker
from pipeline.consuming.retries import RetryPolicy
from pipeline.hooks import crashes
from pipeline.http.health import serve
from pipeline.kafka.publisher import Publisher
from pipeline.settings import Settings
from pipeline.storage.cache import ResultCache
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.results import Results
from process import Processor


def main() -> None:
    """Run until SIGTERM."""
    settings = Settings.of_this_process("image-process-consumer")
    telemetry.configure("image-process-consumer", settings.log_level)
    crashes.configure(settings.crash_dir)
    member_file = MemberFile.of(settings)
    member_file.expel_predecessor()
    limit = CallLimit(settings.batches_in_flight)
    classifier = ClassifierClient(settings, limit.refused)
    publisher = Publisher(settings)
    results = Results(ObjectStore(settings), ResultCache(settings))
    breaker = Breaker(settings.breaker_failures, settings.breaker_rest_seconds, classifier.works)
    policy = RetryPolicy.from_settings(settings)
    processor = Processor(classifier, publisher, results, policy, breaker)
    membership = Membership(
        partial(ask_broker, settings), partial(expel, settings), note=member_file.note
    )
    consumer = ImageProcessConsumer(settings, processor, breaker, membership, limit)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: consumer.stop())
    serve(settings.listen_host, settings.consumer_port, consumer.why_unhealthy)
    run_to_its_end(consumer, member_file, publisher)


if __name__ == "__main__":
    main()
