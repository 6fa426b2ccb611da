"""One more consumer in a stack's group, for as long as it takes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.stack import LocalStack, free_ports

_PROGRAM = "consumers/image-process-consumer/consumer.py"
_DRAIN_SECONDS = 45.0


@contextmanager
def second_consumer(stack: LocalStack, log: Path) -> Iterator[None]:
    """Let it join, and leave again as SIGTERM lets it; it may be dead by then."""
    settings = stack.settings
    environment = {
        **os.environ,
        "PYTHONPATH": str(stack.root),
        "MINIO_ENDPOINT": settings.minio_endpoint,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "REDIS_URL": settings.redis_url,
        "OPENFAAS_URL": settings.openfaas_url,
        "SECRETS_DIR": settings.secrets_dir,
        "CONSUMER_PORT": str(free_ports(1)[0]),
        **_of_consumers(stack.settings_given),
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, _PROGRAM],
            cwd=stack.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _of_consumers(given: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in given.items() if not name.endswith("_PORT")}
