"""The chain of timeouts: in which order all waits must be, and why.

One that is set by hand is held against its neighbours, and no process of ours starts on a chain
that is broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.timeouts.defaults import START_SECONDS
from pipeline.timeouts.links import Link, Wait
from pipeline.timeouts.waits import waits_of


@dataclass(frozen=True)
class Chain:
    """All waits of a deployment, or of one process of it: whatever its environment says."""

    waits: Mapping[str, Wait]
    links: tuple[Link, ...]

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Chain:
        """Read what is set by hand; derive the rest.

        Raises:
            ValueError: naming all variables that are no numbers.
        """
        waits = waits_of(environment)
        return cls(waits, _links(waits))

    def seconds(self, name: str) -> float:
        """Tell one of the waits."""
        return self.waits[name].seconds

    def broken(self) -> list[str]:
        """Say of each link that does not hold what is wrong and what to change."""
        return [link.broken() for link in self.links if not link.holds]


def check(environment: Mapping[str, str]) -> Chain:
    """Give the chain of an environment.

    Raises:
        ValueError: it is broken; the text names for each link the two values, and what to change.
    """
    chain = Chain.from_env(environment)
    if broken := chain.broken():
        raise ValueError("; ".join(broken))
    return chain


def levers() -> frozenset[str]:
    """Name every variable that moves a link of the chain."""
    return frozenset(name for wait in Chain.from_env({}).waits.values() for name in wait.levers)


def rollout_seconds(environment: Mapping[str, str]) -> float:
    """Tell how long whoever deploys waits: the provider gives up first, and says why.

    Raises:
        ValueError: as `check`.
    """
    return check(environment).seconds("rollout") + START_SECONDS


def _links(waits: Mapping[str, Wait]) -> tuple[Link, ...]:
    def link(inner: str, outer: str, why: str, *, may_be_equal: bool = False) -> Link:
        return Link(waits[inner], waits[outer], why, may_be_equal)

    return (
        link("cache", "function", "MinIO is asked in the same call where Redis is silent"),
        link("store", "function", "a call that MinIO keeps waiting is to be answered 503, not cut"),
        link("produce", "function", "an upload that Kafka does not take is to be answered 503"),
        link("decode", "function", "a costly image is to fail itself, and not the call it is in"),
        link("prefer", "function", "an upload that waited in vain is to be answered 202"),
        link(
            "function",
            "one call",
            "provider, Nginx, consumer and tokens follow that number, and would give up before",
            may_be_equal=True,
        ),
        link("one call", "provider", "the function itself is to answer 504, and say why"),
        link("one call", "rollout", "a replica is ready when its first inference has succeeded"),
        link("provider", "consumer", "a call given up too soon is made again beside itself"),
        link("provider", "gateway", "who is told 504 is to be told by which function"),
        link("any provider", "any gateway", "who is told 504 is to be told by which function"),
        link(
            "any provider", "asynchronous", "a call given up too soon is made again beside itself"
        ),
        link("accepting", "queue", "a call that was accepted is to be answered 202"),
        link("first retry", "retry", "a longer first wait would be cut", may_be_equal=True),
        link("retry", "retention", "an event is to be tried again before Kafka deletes it"),
        link("put off", "retention", "a call is to be made before Kafka deletes it"),
        link("grace", "kill", "what is in flight is answered before the process is killed"),
        link("drain", "kill", "what is finished is committed before the process is killed"),
        link("broker", "session", "a consumer is still a member when the broker is back"),
        link("broker", "stuck", "a broker that comes back is to find the clients it knows"),
        link("session", "poll", "librdkafka takes nothing else"),
        link("consumer", "poll", "a consumer that waits for its last calls is still in its group"),
        link("drain", "poll", "and commits what it has finished"),
    )
