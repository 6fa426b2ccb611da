"""One more consumer in a stack's group, for as long as it takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.local_stack import LocalStack
from tests.ports import free_ports

_PROGRAM = "consumers/image-process-consumer/main.py"
_DRAIN_SECONDS = 180.0


@contextmanager
def second_consumer(stack: LocalStack, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Let it join, and leave again as SIGTERM lets it; it may be dead by then."""
    environment = {**stack.addresses, "CONSUMER_PORT": str(free_ports(1)[0])}
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
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
