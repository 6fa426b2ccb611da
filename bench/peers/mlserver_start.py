"""MLServer as its command starts it, with a login at Kafka, for which it has no setting."""

import os
import sys
from functools import partial

from mlserver.cli import main
from mlserver.kafka import server

from pipeline.kafka.clients import Access
from pipeline.settings import Settings

if __name__ == "__main__":
    access = Access(Settings.from_env(os.environ)).for_kafka_python()
    del access["bootstrap_servers"]  # MLServer gives them
    for name in ("AIOKafkaConsumer", "AIOKafkaProducer"):
        setattr(server, name, partial(getattr(server, name), **access))
    sys.exit(main())
