"""A deployed function: the version in service, and an update on its way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from local.provider.deployments.version import Version
from local.provider.functions.durations import Invocations
from local.provider.limits import timeouts
from local.provider.limits.scaling import Scaling
from local.provider.replicas.host import Host
from local.provider.replicas.replica import Replica
from local.provider.replicas.replica_set import NotReady, Numbers, Pulse, ReplicaSet

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5


class Full(Exception):
    """Every ready replica has as many requests in flight as it may have."""


class Function:
    """One function; `on_change` is called when there is something else to keep on record."""

    def __init__(
        self,
        version: Version,
        replicas: int,
        created_at: str,
        numbers: Numbers,
        host: Host,
        on_change: Callable[[Function], None],
    ) -> None:
        self.name = version.spec.name
        self.created_at = created_at
        self.invocations = 0
        self.answered = Invocations()
        self.rollout = ""  # why the last update failed
        self.incoming: ReplicaSet | None = None
        self._changes = Pulse()
        self._numbers = numbers
        self._host = host
        self._on_change = on_change
        self._is_stopping = False
        self._rollouts: set[asyncio.Task[None]] = set()
        self.serving = self._replica_set(version, replicas)

    @property
    def timeout_seconds(self) -> float:
        """How long one call of it may take."""
        return self.serving.timeout_seconds

    @property
    def deployed(self) -> Version:
        """What was deployed last, though it may not be in service yet."""
        return (self.incoming or self.serving).version

    @property
    def scaling(self) -> Scaling:
        return self.deployed.spec.scaling

    @property
    def secrets(self) -> set[str]:
        return {name for each in self._replica_sets() for name in each.version.spec.secrets}

    @property
    def in_flight(self) -> int:
        """Requests that a replica is working on, those of an older version too."""
        return sum(each.in_flight for each in self._replica_sets())

    @property
    def sessions(self) -> list[int]:
        """The sessions of its replicas, each led by the process that was started."""
        return [session for each in self._replica_sets() for session in each.sessions]

    @property
    def patience_seconds(self) -> float:
        """How long a request waits for a replica: longer where it may have to start one."""
        limits, scaling = self._host.settings.limits, self.serving.version.spec.scaling
        return limits.provider_wake_seconds if scaling.may_be_zero else limits.provider_wait_seconds

    @property
    def answers_seconds(self) -> float:
        """By when a call of it is answered, whatever becomes of its replicas."""
        return timeouts.answered_within(
            self.name, self.patience_seconds, self.timeout_seconds, self._host.settings.limits
        )

    async def borrow(self, avoid: Replica | None, deadline: float) -> Replica | None:
        """Return a ready replica, or None if there is none until the deadline; give it back.

        Raises:
            Full: there are ready ones, but none may take another request.
        """
        while (replica := self.serving.pick(avoid)) is None:
            if self.serving.available:
                most = self.serving.version.spec.max_in_flight
                raise Full(f"every replica of {self.name} has {most} requests in flight")
            if self.serving.wanted == 0 and not self._wake():
                return None
            left_seconds = deadline - time.monotonic()
            if left_seconds <= 0:
                return None
            await self._changes.wait(left_seconds)
        replica.borrow()
        return replica

    def _wake(self) -> bool:
        """Scale up from nothing, where a request may do that."""
        scaling = self.serving.version.spec.scaling
        if self._is_stopping or not scaling.may_be_zero:
            return False
        logger.info("function woken", extra={"function": self.name, "replicas": scaling.least})
        self.scale(scaling.least)
        self._on_change(self)
        return True

    def update(self, version: Version) -> None:
        """Start replicas of a new version; they take over when all of them are ready."""
        if self.incoming:
            self.incoming.abandon()
        scaling = version.spec.scaling
        replicas = scaling.clamp(max(self.serving.wanted, scaling.least))
        self.incoming = self._replica_set(version, replicas)
        self.rollout = ""
        task = asyncio.create_task(self._roll_out(self.incoming))
        self._rollouts.add(task)
        task.add_done_callback(self._rollouts.discard)

    def scale(self, replicas: int) -> None:
        for replica_set in self._replica_sets():
            replica_set.scale(replicas)
        self._changes.fire()

    async def stop(self) -> None:
        """End all replicas, each after its last request; an update is left for the next start."""
        self._is_stopping = True
        for replica_set in self._replica_sets():
            replica_set.abandon()
        await asyncio.gather(*(each.retire() for each in self._replica_sets()))
        await asyncio.gather(*self._rollouts)

    async def remove(self) -> None:
        await self.stop()
        for replica_set in self._replica_sets():
            replica_set.version.remove()

    @property
    def packages(self) -> str:
        """How packages of its own get on; nothing where it needs none."""
        wanted = (self.incoming or self.serving).version.requirements
        return self._host.layers.note(wanted) if wanted else ""

    def _replica_set(self, version: Version, replicas: int) -> ReplicaSet:
        replica_set = ReplicaSet(version, self._numbers, self._host, self._changes)
        replica_set.scale(replicas)
        return replica_set

    def _replica_sets(self) -> list[ReplicaSet]:
        return [self.serving, *([self.incoming] if self.incoming else [])]

    async def _roll_out(self, new: ReplicaSet) -> None:
        failure = ""
        try:
            await self._packages_settled(new)
            delay_seconds = new.version.probing.delay_seconds
            await new.wait_until_ready(self._host.settings.rollout_seconds + delay_seconds)
        except NotReady as error:
            failure = str(error)
        unwanted = new
        if new is self.incoming:
            if self._is_stopping:  # left to stop(), and to the next start
                return
            self.incoming = None
            unwanted = self._settle(new, failure)
        await unwanted.retire()
        unwanted.version.remove()

    async def _packages_settled(self, new: ReplicaSet) -> None:
        """Wait for packages of its own: the time to become ready begins then."""
        wanted = new.version.requirements
        while wanted and not (new.is_abandoned or await self._host.layers.has_settled(wanted)):
            await self._changes.wait(_LOOK_SECONDS)

    def _settle(self, new: ReplicaSet, failure: str) -> ReplicaSet:
        """Put the new version into service, or stay with the old one; return the other."""
        extra = {"function": self.name, "version": new.version.id}
        if failure:
            logger.error("update failed", extra={**extra, "reason": failure})
            self.rollout = f"failed: {failure}; the version before it stays in service"
            unwanted = new
        else:
            logger.info("update in service", extra=extra)
            self.rollout = ""
            unwanted, self.serving = self.serving, new
        self._changes.fire()
        self._on_change(self)
        return unwanted
