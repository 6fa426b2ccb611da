"""Redis: how much of its quota a tenant has used. Losing it all lets a tenant begin anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import partial
from typing import Any, cast

from pipeline.quotas import NAMES, Quota
from pipeline.settings import Settings
from pipeline.storage.cache import Client

# What was begun and came to no end is no longer counted after that.
_RESERVED_SECONDS = 120
# Longer than an event may wait.
_FLIGHT_DAYS_SECONDS = 8 * 24 * 3600
_COUNTING_SECONDS = 600
# In one round trip: whoever sends meanwhile waits for no more.
_TENANTS_AT_ONCE = 20

# One round trip, and nobody else in between: looks whether all fits, and takes it.
_TAKE = """
local now, day, member, size = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])
local limit = {}
for i = 1, 5 do limit[i] = tonumber(ARGV[4 + i]) end
local u = redis.call('HMGET', KEYS[1], 'day', 'images', 'bytes', 'stored_images', 'stored_bytes',
  'known')
local used = {0, 0, 0, tonumber(u[4] or 0), tonumber(u[5] or 0)}
if u[1] == day then used[1], used[2] = tonumber(u[2] or 0), tonumber(u[3] or 0) end
local counts_stored = limit[4] > 0 or limit[5] > 0
if limit[3] > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '(-' .. now, '(0')
  used[3] = redis.call('ZCARD', KEYS[2])
end
local adds = tonumber(ARGV[12])
local more = {1, size, 1, adds, adds * size}
for i = 1, 5 do
  if limit[i] > 0 and more[i] > 0 and used[i] + more[i] > limit[i] and (i < 4 or u[6]) then
    return {i, used[1], used[2], used[3], used[4], used[5], u[6] and 1 or 0}
  end
end
redis.call('HSET', KEYS[1], 'day', day, 'images', used[1] + 1, 'bytes', used[2] + size)
if limit[3] > 0 then
  redis.call('ZADD', KEYS[2], -(now + tonumber(ARGV[10])), member)
  redis.call('EXPIRE', KEYS[2], ARGV[11])
end
if counts_stored then
  redis.call('HINCRBY', KEYS[1], 'stored_images', more[4])
  redis.call('HINCRBY', KEYS[1], 'stored_bytes', more[5])
elseif u[6] then
  redis.call('HDEL', KEYS[1], 'known', 'stored_images', 'stored_bytes')
end
for i = 1, 5 do used[i] = used[i] + more[i] end
return {0, used[1], used[2], used[3], used[4], used[5], u[6] and 1 or 0}
"""
# What was taken is kept, given back, or told where it waits.
_SETTLE = """
local day, member, size = ARGV[1], ARGV[2], tonumber(ARGV[3])
if ARGV[4] == '1' and redis.call('HGET', KEYS[1], 'day') == day then
  redis.call('HINCRBY', KEYS[1], 'images', -1)
  redis.call('HINCRBY', KEYS[1], 'bytes', -size)
end
if ARGV[5] == '1' and redis.call('HEXISTS', KEYS[1], 'stored_images') == 1 then
  redis.call('HINCRBY', KEYS[1], 'stored_images', -1)
  redis.call('HINCRBY', KEYS[1], 'stored_bytes', -size)
end
redis.call('ZREM', KEYS[2], member)
if ARGV[6] ~= '' then
  redis.call('ZADD', KEYS[2], ARGV[6], member)
  redis.call('EXPIRE', KEYS[2], ARGV[7])
end
"""


@dataclass(frozen=True)
class Used:
    """What a tenant has used; in the order of the quotas.

    Attributes:
        refused: the quota that leaves no room, or None.
        is_stored_known: what was stored before has been counted.
    """

    images_a_day: int = 0
    bytes_a_day: int = 0
    images_in_flight: int = 0
    stored_images: int = 0
    stored_bytes: int = 0
    refused: str | None = None
    is_stored_known: bool = False


@dataclass(frozen=True)
class Settled:
    """What became of something that was taken.

    Attributes:
        is_given_back: nothing was accepted.
        is_stored_before: nothing new was stored.
        score: where it waits; None: nowhere.
    """

    tenant: str
    day: str
    member: str
    size: int
    is_given_back: bool
    is_stored_before: bool
    score: int | None


class Usage(Client):
    """Counts by tenant; without Redis nothing is counted, and nothing refused."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._take_script = self._redis.register_script(_TAKE)
        self._settle_script = self._redis.register_script(_SETTLE)

    def take(
        self,
        tenant: str,
        quota: Quota,
        day: str,
        now: float,
        member: str,
        size: int,
        *,
        adds: bool = True,
    ) -> Used | None:
        """Take one image and its bytes, if there is room for both; None: Redis does not answer.

        Args:
            adds: more will be stored by it.
        """
        limits = (*astuple(quota), _RESERVED_SECONDS, _FLIGHT_DAYS_SECONDS, int(adds))
        asked = [int(now), day, member, size, *limits]
        told = self._try(lambda: self._take_script(_keys(tenant), asked), None)
        if told is None:
            return None
        refused, images, sent, in_flight, stored, stored_bytes, known = cast("list[int]", told)
        return Used(
            images,
            sent,
            in_flight,
            stored,
            stored_bytes,
            NAMES[refused - 1] if refused else None,
            bool(known),
        )

    def settle(self, settled: Sequence[Settled]) -> None:
        """Say what became of what was taken."""
        self._try(lambda: self._settle(settled), None)

    def finish(self, tenants: Sequence[str], spans: Sequence[tuple[int, int]]) -> set[str]:
        """Forget what is in flight no longer: scores from one of each pair to before the other.

        Returns:
            The tenants that have something in flight, or may have.
        """
        open_ones: set[str] = set()
        for first in range(0, len(tenants), _TENANTS_AT_ONCE):
            some = tenants[first : first + _TENANTS_AT_ONCE]
            open_ones |= self._try(partial(self._finish, some, spans), set(some))
        return open_ones

    def of(self, tenant: str, day: str) -> Used | None:
        """Tell what a tenant has used; None: Redis does not answer."""
        return self._try(lambda: self._of(tenant, day), None)

    def begin_counting(self, tenant: str) -> bool:
        """Begin to count what is stored, unless somebody does: from now on new ones are added."""
        return self._try(lambda: self._begin_counting(tenant), False)

    def counted(self, tenant: str, images: int, size: int) -> None:
        """Add what was stored before."""
        self._try(lambda: self._counted(tenant, images, size), None)

    def _settle(self, settled: Sequence[Settled]) -> None:
        for each in settled:
            flags = [int(each.is_given_back), int(each.is_stored_before)]
            score = "" if each.score is None else each.score
            told = [each.day, each.member, each.size, *flags, score, _FLIGHT_DAYS_SECONDS]
            self._settle_script(_keys(each.tenant), told)

    def _finish(self, tenants: Sequence[str], spans: Sequence[tuple[int, int]]) -> set[str]:
        with self._redis.pipeline(transaction=False) as pipe:
            for tenant in tenants:
                _, flight = _keys(tenant)
                for first, end in spans:
                    pipe.zremrangebyscore(flight, first, f"({end}")
                pipe.zcard(flight)
            counts = pipe.execute()[len(spans) :: len(spans) + 1]
        return {tenant for tenant, count in zip(tenants, counts, strict=True) if count}

    def _of(self, tenant: str, day: str) -> Used:
        counts, flight = _keys(tenant)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(counts)
            pipe.zcard(flight)
            told, in_flight = pipe.execute()
        found = {name.decode(): value.decode() for name, value in told.items()}
        today = found if found.get("day") == day else {}
        return Used(
            int(today.get("images", 0)),
            int(today.get("bytes", 0)),
            int(in_flight),
            int(found.get("stored_images", 0)),
            int(found.get("stored_bytes", 0)),
            is_stored_known="known" in found,
        )

    def _begin_counting(self, tenant: str) -> bool:
        counts, _ = _keys(tenant)
        if not self._redis.set(f"{counts}:counting", 1, nx=True, ex=_COUNTING_SECONDS):
            return False
        self._redis.hdel(counts, "known", "stored_images", "stored_bytes")
        return True

    def _counted(self, tenant: str, images: int, size: int) -> None:
        counts, _ = _keys(tenant)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hincrby(counts, "stored_images", images)
            pipe.hincrby(counts, "stored_bytes", size)
            pipe.hset(counts, "known", 1)
            pipe.delete(f"{counts}:counting")
            pipe.execute()


def _keys(tenant: str) -> list[Any]:
    # In braces: on a cluster both are in one place.
    return [f"quota:{{{tenant}}}", f"quota:{{{tenant}}}:flight"]
