"""One replica: a running process of a function, its readiness and its requests in flight."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
from yarl import URL

from local.machine import ports, processes
from local.provider.deployments.probing import Probing
from local.provider.limits.share import Share
from local.provider.replicas.connection import Connections
from local.provider.replicas.pipe import Pipe
from local.provider.replicas.replica_log import ReplicaLog

logger = logging.getLogger(__name__)

PROBE_TIMEOUT_SECONDS = 5  # a probe not answered by then has failed
STOP_SECONDS = 10  # from SIGTERM to SIGKILL, after the last request
LAST_WORDS_SECONDS = 1  # for output that is still in the pipe when the process has ended


class Replica:
    """A process that has been started; it is over once `exited` is set."""

    def __init__(
        self,
        name: str,
        port: int,
        process: asyncio.subprocess.Process,
        pipe: Pipe,
        log: ReplicaLog,
        home: Path,
        probing: Probing,
    ) -> None:
        self.name = name
        self.port = port
        self.stranger = ""  # whoever listens on its port instead of it
        self._home = home
        self._is_at_its_port = False
        self.probing = probing
        self.url = f"http://127.0.0.1:{port}"
        self.connections = Connections("127.0.0.1", port)
        self.process = process
        self.pipe = pipe
        self.log = log
        self.status: int | None = None  # of the exit; negative for a signal
        self.is_ready = False
        self.in_flight = 0
        self.borrowed_at = 0.0  # monotonic seconds
        self.share: Share | None = None  # where it may go first for a while
        self.idle = asyncio.Event()
        self.idle.set()
        self.exited = asyncio.Event()
        self.on_news: Callable[[], None] = lambda: None  # it has ended, or is in doubt
        self._end = asyncio.create_task(self._wait())

    def borrow(self) -> None:
        self.borrowed_at = time.monotonic()
        self.in_flight += 1
        self.idle.clear()
        if self.share:
            self.share.look()

    def give_back(self) -> None:
        self.in_flight -= 1
        if self.in_flight == 0:
            self.idle.set()

    def doubt(self) -> None:
        """Give it no request until it has been probed, which is done at once."""
        self.is_ready = False
        self.on_news()

    async def probe(self, session: aiohttp.ClientSession, age_seconds: float) -> bool:
        """Find out whether the replica is ready; say whether it lives.

        Args:
            age_seconds: since its start. Before its readiness may be asked for it is not ready.
        """
        if self.share:
            self.share.look()
        probing = self.probing
        may_be_ready = age_seconds >= probing.ready_delay_seconds
        asks = probing.ready_path is not None and may_be_ready
        says_ready = asks and await self._is_fine(session, probing.ready_path or "")
        is_alive = says_ready or await self._is_fine(session, probing.health_path)
        if is_alive and not self._is_at_its_port:
            # A port is free when it is chosen; whoever takes it first answers on it.
            self.stranger = await asyncio.to_thread(self._find_stranger)
            if self.stranger:
                return False
            self._is_at_its_port = True
        is_ready = says_ready if probing.ready_path else is_alive and may_be_ready
        self.is_ready = is_ready and not self.exited.is_set()
        return is_alive

    def _find_stranger(self) -> str:
        """Name the process that listens on the replica's port, unless it is one of the replica's.

        What this user may not look into is taken for the replica's: it may have changed its user.
        """
        listeners = ports.listeners(self.port, likely=self.process.pid)
        if not listeners or any(map(self._is_own, listeners)):
            return ""
        command = processes.command_line(listeners[0])[:120]
        return f"port {self.port} is taken by process {listeners[0]} ({command})"

    def listens_elsewhere(self) -> str:
        """Say where its processes listen, where that is somewhere else than at its port."""
        found = ports.listened_to(pid for pid in processes.pids() if self._is_own(pid))
        others = ", ".join(str(port) for port in sorted(found - {self.port}))
        if not others:
            return ""
        if self.port in found:
            path = self.probing.health_path
            return f"{path} on $PORT ({self.port}) is not 200; it listens on {others}"
        return f"nothing answers on $PORT ({self.port}); it listens on {others}"

    def _is_own(self, pid: int) -> bool:
        try:
            return os.getsid(pid) == self.process.pid or processes.has_home(pid, self._home)
        except OSError:
            return False

    async def _is_fine(self, session: aiohttp.ClientSession, path: str) -> bool:
        """Tell whether the answer is what Kubernetes takes for a good one: from 200 to 399."""
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_SECONDS)
        url = URL(self.url + path, encoded=True)
        try:
            async with session.get(url, timeout=timeout, allow_redirects=False) as answer:
                return 200 <= answer.status < 400
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def stop(self, drain_seconds: float) -> None:
        """Wait for the requests in flight, then end the process."""
        if not await is_set_within(self.idle, drain_seconds):
            logger.warning("replica stopped with requests in flight", extra={"replica": self.name})
        self.send(signal.SIGTERM)
        if not await is_set_within(self.exited, STOP_SECONDS):
            self.kill()
        await self.exited.wait()

    def kill(self) -> None:
        logger.warning("replica killed", extra={"replica": self.name})
        self.send(signal.SIGKILL)

    def send(self, signum: signal.Signals) -> None:
        if not self.exited.is_set():
            self.process.send_signal(signum)

    async def _wait(self) -> None:
        """Follow the process to its end, then end what it has left behind in its session."""
        output = asyncio.create_task(self.log.follow(self.pipe.reader))
        self.status = await self.process.wait()
        self.is_ready = False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await asyncio.wait([output], timeout=LAST_WORDS_SECONDS)
        output.cancel()
        self.pipe.close()
        self.connections.close()
        self.exited.set()
        self.on_news()


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
