"""Keeps one replica running: starts it, watches it, restarts it when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from local.provider.deployments.version import Version
from local.provider.replicas import leftovers, spawn
from local.provider.replicas.host import Host
from local.provider.replicas.replica import Replica, is_set_within
from local.provider.replicas.replica_log import ReplicaLog
from local.provider.requirements.shelf import Layer

logger = logging.getLogger(__name__)

PROBE_SECONDS = 2.0
FIRST_PROBE_SECONDS = 0.1  # while it is not ready; less often the longer that lasts
SILENT_SECONDS = 15  # then a replica that has answered before is killed
START_SECONDS = 120  # then one that has never answered is killed
LOOK_ELSEWHERE_SECONDS = 2  # so often it is looked up where one listens that never answered
STABLE_SECONDS = 10  # one that was ready for so long is restarted at once when it dies
FIRST_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 30.0
GIVE_UP_DEATHS = 3  # early deaths in a row; then it is a crash loop, and a rollout has failed


class Slot:
    """The place of one replica in a replica set; `on_change` hears of every change."""

    def __init__(
        self,
        version: Version,
        number: int,
        host: Host,
        on_change: Callable[[], None],
    ) -> None:
        self.version = version
        self.number = number
        self.name = f"{version.spec.name}-{number}"
        self.replica: Replica | None = None
        self.restarts = 0
        self.early_deaths = 0  # in a row, each before it was ready for STABLE_SECONDS
        self.failure = ""
        self.last_exit = ""
        self.is_leaving = False
        self._elsewhere = ""  # where it listens instead of at its port
        self._silence = ""  # why it was killed
        self._host = host
        self._on_change = on_change
        self._wake = asyncio.Event()
        self._drain_seconds = 0.0
        self._task = asyncio.create_task(self._keep())

    @property
    def is_ready(self) -> bool:
        return not self.is_leaving and self.replica is not None and self.replica.is_ready

    @property
    def restarts_note(self) -> str:
        what = "crash loop" if self.early_deaths >= GIVE_UP_DEATHS else "restarts"
        return f"{self.name}: {what}, {self.restarts} so far; {self.last_exit}"

    async def leave(self, drain_seconds: float) -> None:
        """Take no new request, finish those in flight, end the process."""
        self.is_leaving, self._drain_seconds = True, drain_seconds
        self._wake.set()
        await self._task

    async def _keep(self) -> None:
        while not self.is_leaving:
            try:
                was_stable = await self._run_once()
            except (OSError, ValueError) as error:  # ValueError: a command line or variable
                was_stable, self.last_exit = False, f"cannot be started: {error}"
                self.failure = f"{self.name} {self.last_exit}"
                logger.exception("replica cannot be started", extra={"replica": self.name})
            own_folder = self._host.settings.replicas_dir / self.name
            await asyncio.to_thread(leftovers.end_processes, own_folder)
            spawn.clear(self.name, self._host)
            self.early_deaths = 0 if was_stable else self.early_deaths + 1
            self._on_change()
            if not self.is_leaving:
                self._wake.clear()  # it told of the end
                await self._pause(self._backoff_seconds())
                self.restarts += 1

    async def _run_once(self) -> bool:
        """Start a replica and see it through to its end; say whether it was stable."""
        layer = await self._layer()
        if self.is_leaving:
            return True
        replica = self.replica = await spawn.start(
            self.version, self.number, self.restarts, self._host, layer
        )
        replica.on_news = self._wake.set
        extra: dict[str, object] = {"replica": self.name, "pid": replica.process.pid}
        logger.info("replica started", extra=extra)
        ready_at = await self._watch(replica)
        if self.is_leaving:
            await replica.stop(self._drain_seconds)
        await replica.exited.wait()
        extra["status"] = replica.status
        logger.log(
            logging.INFO if self.is_leaving else logging.WARNING, "replica ended", extra=extra
        )
        known = (replica.stranger, self._silence, replica.log.last_line)
        why = "; ".join(dict.fromkeys(filter(None, known)))
        self.last_exit = f"ended with status {replica.status}: {why}"
        self.failure = f"{self.name} {self.last_exit}"
        return ready_at is not None and time.monotonic() - ready_at > STABLE_SECONDS

    async def _layer(self) -> Layer | None:
        """Wait for the packages of its own, unless it is to leave; raise OSError without them."""
        if (wanted := self.version.requirements) is None:
            return None
        name = self.version.spec.name
        ready = asyncio.create_task(self._host.layers.ready(wanted, name, self._say_in_log))
        while not (ready.done() or self.is_leaving):
            news = asyncio.create_task(self._wake.wait())
            await asyncio.wait([ready, news], return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
            if not self.is_leaving:
                self._wake.clear()
        if ready.done():
            return ready.result()
        ready.cancel()
        return None

    def _say_in_log(self, text: str) -> None:
        """Say something in the function's log, as a replica that is none: they begin at 1."""
        name = self.version.spec.name
        path = self._host.settings.logs_dir / f"{name}-0.log"
        feed = self._host.feed
        full_disk = contextlib.suppress(OSError)
        with full_disk, contextlib.closing(ReplicaLog(path, name, feed)) as log:
            log.say(text)

    async def _watch(self, replica: Replica) -> float | None:
        """Probe until the replica ends, falls silent or is to leave; say since when it is ready."""
        self._elsewhere = self._silence = ""
        looked_at = 0.0
        answered_at = started_at = time.monotonic()
        ready_at = None
        probing = replica.probing
        await self._pause(probing.first_seconds)
        while not (replica.exited.is_set() or self.is_leaving):
            was_ready = replica.is_ready
            is_alive = await replica.probe(self._host.session, time.monotonic() - started_at)
            if replica.stranger:
                extra = {"replica": self.name, "reason": replica.stranger}
                logger.warning("replica cannot have its port", extra=extra)
                replica.kill()  # the next one gets another port
                break
            now = time.monotonic()
            if replica.is_ready != was_ready:
                ready_at = now if replica.is_ready else None
                self._say_readiness(replica)
            answered_at = now if is_alive else answered_at
            has_answered = answered_at != started_at
            patience_seconds = probing.patience_seconds(
                SILENT_SECONDS if has_answered else START_SECONDS
            )
            if now - answered_at > patience_seconds:
                where = "" if has_answered else self._elsewhere
                self._silence = where or f"no answer for {patience_seconds:g} s"
                replica.kill()
                break
            waited_seconds = now - started_at
            if not has_answered and waited_seconds - looked_at > LOOK_ELSEWHERE_SECONDS:
                await self._look_elsewhere(replica)
                looked_at = waited_seconds
            early = min(PROBE_SECONDS, FIRST_PROBE_SECONDS + waited_seconds / 20)
            usual = PROBE_SECONDS if replica.is_ready else early
            await self._pause(probing.period_seconds or usual)
        return ready_at

    async def _look_elsewhere(self, replica: Replica) -> None:
        """Say at once where a replica listens that does not answer."""
        before = self._elsewhere
        self._elsewhere = await asyncio.to_thread(replica.listens_elsewhere)
        if self._elsewhere and self._elsewhere != before:
            self.failure = f"{self.name}: {self._elsewhere}"
            replica.log.say(self._elsewhere)
            self._on_change()

    def _say_readiness(self, replica: Replica) -> None:
        if replica.is_ready:
            self.failure = ""
        logger.info("replica readiness", extra={"replica": self.name, "ready": replica.is_ready})
        self._on_change()

    def _backoff_seconds(self) -> float:
        if self.early_deaths == 0:
            return 0
        doublings = min(self.early_deaths - 1, 10)
        return min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * (1 << doublings))

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until the replica has ended, is in doubt or is to leave."""
        if await is_set_within(self._wake, seconds) and not self.is_leaving:
            self._wake.clear()
