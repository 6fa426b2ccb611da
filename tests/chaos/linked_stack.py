"""A whole stack whose clients reach Kafka, MinIO, Redis and the provider through links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from local.services.ports import BEHIND_PROXIES, listen_variable
from tests.chaos.toxiproxy import Link, linked
from tests.local_stack import LocalStack, unstarted_stack
from tests.ports import free_ports


@contextmanager
def linked_stack(
    folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator[tuple[LocalStack, dict[str, Link]]]:
    """Start a stack; the links have the names of the services behind them."""
    with unstarted_stack(folder / "state") as unlinked:
        taken = set(unlinked.ports.values())
        # More are asked for than needed: the stack's own may be among them.
        free = [port for port in free_ports(len(taken) + len(BEHIND_PROXIES)) if port not in taken]
        listening = dict(zip(BEHIND_PROXIES, free, strict=False))
        told = {listen_variable(name): str(port) for name, port in listening.items()}
        stack = replace(unlinked, settings_given={**(settings or {}), **told})
        ways = {name: (stack.ports[name.upper()], port) for name, port in listening.items()}
        with linked(folder, ways) as links:
            started = stack.command("up")
            assert started.returncode == 0, f"{started.stdout}\n{started.stderr}"
            try:
                yield stack, links
            finally:
                # Whatever ends drains better over links that are there.
                stack.command("down")
