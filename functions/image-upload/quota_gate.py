"""Whether a tenant may send one more image: its quota, and what it has used of it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.errors import OverQuota, PipelineError
from pipeline.ids import INPUT_BUCKET, TENANT_BUCKET
from pipeline.kafka import topics
from pipeline.kafka.backlog import Reading
from pipeline.kafka.broker import Written
from pipeline.kafka.topics import Partition, Topic
from pipeline.quotas import KEY, NAMES, Quota, Quotas
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.usage import Settled, Usage, Used

logger = logging.getLogger(__name__)

_READ_EVERY_SECONDS = 5.0
_AT_MOST_EVERY_SECONDS = 0.1
# Not yet told to Redis; beyond it the oldest are forgotten there after two minutes.
_MOST_UNTOLD = 20_000
_DAY_SECONDS = 24 * 3600
# When another of a tenant's images is likely finished; and when somebody may have raised a quota.
_FLIGHT_SECONDS, _STORED_SECONDS = 5, 3600
# A place in Kafka as one number, which Redis keeps exactly: topic, partition, offset.
_PARTITIONS, _OFFSETS = 1 << 7, 1 << 40
_STORED = ("stored_images", "stored_bytes")
_WHAT = {
    "images_a_day": "images were accepted today, this one included; the quota is {} a day",
    "bytes_a_day": "bytes were accepted today, these included; the quota is {} a day",
    "images_in_flight": "images are unfinished, this one included; the quota is {} at a time",
    "stored_images": "images are stored, this one included; the quota is {}",
    "stored_bytes": "bytes are stored, these included; the quota is {}",
}


@dataclass
class Taken:
    """What became of one image that had room; said by whoever accepts it.

    Attributes:
        created: its object is new, or may be.
        place: where its event lies; None: nothing was accepted.
        headers: what is told of the quota.
    """

    created: bool = False
    place: tuple[Topic, Written] | None = None
    headers: dict[str, str] | None = None


class QuotaGate:
    """Knows the quotas of all tenants; one of a tenant without costs nothing.

    What is over is told from Redis in one round trip, before anything is stored. Where Redis does
    not answer everything comes in, and is not counted.

    Args:
        look_soon: asks for a reading, told to `note`.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        store: ObjectStore,
        usage: Usage,
        usual: Quota,
        look_soon: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._usage = usage
        self._usual = usual
        self._look_soon = look_soon
        self._clock = clock
        self._quotas = Quotas()
        self._is_read = True
        self._untold: deque[Settled] = deque(maxlen=_MOST_UNTOLD)
        self._uncounted: set[str] = set()
        self._in_flight: set[str] = set()
        self._reading: Reading | None = None
        self._is_wanted = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep_on, name="quotas", daemon=True)

    def start(self) -> None:
        """Read the quotas, and again every few seconds."""
        self.read()
        self._thread.start()

    def close(self) -> None:
        """Tell Redis what it has not been told, then stop."""
        self._closing.set()
        self._is_wanted.set()
        if self._thread.is_alive():
            self._thread.join()
        self.tell()

    @contextmanager
    def one(
        self, tenant: str, size: int, is_stored: Callable[[], bool] = lambda: False
    ) -> Iterator[Taken]:
        """Take room for one image; what became of it is to be said within the block.

        Args:
            is_stored: tells whether the image is; asked where there is no room to store another.

        Raises:
            OverQuota: there is none.
        """
        taken, quota = Taken(), self._quotas.of(tenant, self._usual)
        if not quota.is_limited:
            yield taken
            return
        now, member = self._clock(), os.urandom(8).hex()
        day = _day(now)
        used, adds = self._usage.take(tenant, quota, day, now, member, size), True
        if used and used.refused in _STORED and is_stored():
            used, adds = self._usage.take(tenant, quota, day, now, member, size, adds=False), False
        if used is None:
            yield taken
            return
        taken.headers = _headers(quota, used, now)
        self._note(tenant, quota, used)
        if used.refused:
            raise _over(quota, used, size, now, taken.headers)
        try:
            yield taken
        finally:
            adds_nothing = adds and quota.is_stored_limited and not taken.created
            self._untold.append(_settled(tenant, day, member, size, quota, taken, adds_nothing))
            self._is_wanted.set()

    def note(self, reading: Reading) -> None:
        """Take in how far the consumer group is."""
        if self._in_flight:
            self._reading = reading
            self._is_wanted.set()

    def read(self) -> None:
        """Read the quotas now; those that are known stand where they cannot be read."""
        try:
            self._quotas = Quotas.parse(self._store.get(TENANT_BUCKET, KEY))
        except (PipelineError, ValueError) as error:
            if self._is_read:
                logger.warning("quotas are not known", extra={"reason": str(error)})
            self._is_read = False
        else:
            self._is_read = True

    def tell(self) -> None:
        """Tell Redis what became of what was taken, and what is finished by now."""
        settled = [self._untold.popleft() for _ in range(len(self._untold))]
        if settled:
            self._usage.settle(settled)
        reading, self._reading = self._reading, None
        if reading:
            tenants = list(self._in_flight)
            # Before it is counted: whoever takes one from now on is added again.
            self._in_flight.difference_update(tenants)
            self._in_flight.update(self._usage.finish(tenants, _finished(reading)))
        while self._uncounted:
            self._count(self._uncounted.pop())

    def _note(self, tenant: str, quota: Quota, used: Used) -> None:
        if quota.images_in_flight:
            self._in_flight.add(tenant)
            if 2 * used.images_in_flight > quota.images_in_flight:
                self._look_soon()
        if quota.is_stored_limited and not used.is_stored_known:
            self._uncounted.add(tenant)

    def _count(self, tenant: str) -> None:
        """Count what is stored, as nobody knows it."""
        if not self._usage.begin_counting(tenant):
            return
        began, images, size = self._clock(), 0, 0
        try:
            for stored in self._store.listed(INPUT_BUCKET, f"{tenant}/"):
                if stored.stored_at < began:
                    images, size = images + 1, size + stored.size
        except PipelineError as error:
            logger.warning("stored images not counted", extra={"reason": str(error)})
            return
        self._usage.counted(tenant, images, size)

    def _keep_on(self) -> None:
        read_at = time.monotonic()
        while not self._closing.is_set():
            self._is_wanted.wait(_READ_EVERY_SECONDS)
            self._is_wanted.clear()
            self.tell()
            if time.monotonic() - read_at >= _READ_EVERY_SECONDS:
                read_at = time.monotonic()
                self.read()
            self._closing.wait(_AT_MOST_EVERY_SECONDS)


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def _settled(
    tenant: str, day: str, member: str, size: int, quota: Quota, taken: Taken, adds_nothing: bool
) -> Settled:
    score = None
    if taken.place and quota.images_in_flight:
        topic, written = taken.place
        score = _first(topic.name, written.partition) + written.offset
    return Settled(
        tenant,
        day,
        member,
        size,
        is_given_back=taken.place is None,
        is_stored_before=adds_nothing,
        score=score,
    )


def _first(topic: str, partition: int) -> int:
    names = [each.name for each in topics.ACCEPTED]
    return (names.index(topic) * _PARTITIONS + partition) * _OFFSETS


def _finished(reading: Reading) -> list[tuple[int, int]]:
    accepted = {each.name for each in topics.ACCEPTED}
    places: list[tuple[Partition, int]] = list(reading.positions.items())
    firsts = [(_first(*place), position) for place, position in places if place[0] in accepted]
    return [(first, first + position) for first, position in firsts if position > 0]


def _headers(quota: Quota, used: Used, now: float) -> dict[str, str]:
    """Say the quotas as draft-ietf-httpapi-ratelimit-headers has it."""
    policies, left = [], []
    for name in NAMES:
        if limit := getattr(quota, name):
            is_daily = name.endswith("_day")
            title = f'"{name.replace("_", "-")}"'
            policies.append(f"{title};q={limit}" + (f";w={_DAY_SECONDS}" if is_daily else ""))
            reset = f";t={_left_of_day(now)}" if is_daily else ""
            left.append(f"{title};r={max(0, limit - getattr(used, name))}{reset}")
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}


def _left_of_day(now: float) -> int:
    return _DAY_SECONDS - int(now) % _DAY_SECONDS


def _over(quota: Quota, used: Used, size: int, now: float, headers: dict[str, str]) -> OverQuota:
    name = used.refused or ""
    found = getattr(used, name) + (size if "bytes" in name else 1)
    allowed = getattr(quota, name)
    waits = {"images_in_flight": _FLIGHT_SECONDS}
    if name.startswith("stored"):
        waits[name] = _STORED_SECONDS
    return OverQuota(
        f"{found:,} {_WHAT[name].format(f'{allowed:,}')}",
        found=found,
        allowed=allowed,
        retry_after_seconds=waits.get(name, _left_of_day(now)),
        headers=headers,
    )
