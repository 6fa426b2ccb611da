"""Nobody but this machine reaches what is behind the gateway."""

from __future__ import annotations

import sys

from tests import sockets
from tests.local_stack import LocalStack
from tests.stack import until

# All that `stack` was told of: the gateway is here, too, where no TLS is asked for.
BEHIND = ("PROVIDER", "CONSUMER", "ASYNC_CALL", "MINIO", "MINIO_CONSOLE", "KAFKA", "REDIS")

assert sys.byteorder == "little"  # as tests.sockets reads the kernel's tables


def test_every_socket_of_a_stack_is_on_loopback(stack: LocalStack) -> None:
    until(stack.is_sound)
    found = sockets.listening(sockets.of_stack(stack.state_dir))
    replicas = {
        each.ports["http"]
        for name in ("image-upload", "image-classifier", "image-results")
        for each in stack.living(name)
    }

    assert {each for each in found if not each.is_here} == set()
    ports = {each.port for each in found}
    assert {stack.ports[name] for name in (*BEHIND, "GATEWAY", "KAFKA_CONTROLLER")} <= ports
    assert replicas & ports
