"""The chain of timeouts: who waits for whom, how long, and why longer than the one inside it.

One number is chosen, REQUEST_TIMEOUT_SECONDS: how long one call of a function of ours may take, and
so one inference. All others follow. One that is set by hand is held against its neighbours, and no
process of ours starts on a chain that is broken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.limits import Limits

# What is given to the work within a call where nothing else is said; half of the call at most.
CACHE_SECONDS = 0.25
STORE_SECONDS = 1.5
PRODUCE_SECONDS = 1.5
DECODE_SECONDS = 2.0
PREFER_WAIT_SECONDS = 30
RETRY_BASE_SECONDS = 1.0
RETRY_MAX_SECONDS = 60.0
CALL_WAIT_SECONDS = 3600.0
# Beside its first inference: a process is started and its model fetched.
START_SECONDS = 60
# Whatever of ours is told to end is killed after so long: by the supervisor, by Docker, and by
# Kubernetes, whose default it is.
KILL_SECONDS = 30.0
# How long a consumer waits for the work in its hands when it is told to end; then it commits.
DRAIN_SECONDS = 25.0
SHUTDOWN_GRACE_SECONDS = 5.0
# How long the partitions of a killed consumer wait for another; and longer than a killed broker is
# away, so that the consumer is still a member when it comes back.
SESSION_SECONDS = 8.0
# Kafka's own default, which is enough for calls of up to some minutes.
_LEAST_POLL_SECONDS = 300.0
# How long the provider waits at least until the queue has accepted an asynchronous call.
_LEAST_QUEUE_SECONDS = 15.0
# Of the topics that somebody waits for.
RETENTION_DAYS = 7
# A wait between two attempts is longer by chance.
LARGEST_JITTER = 1.2

# Our template's own, in seconds; then how long its process may run, and its answer may take.
EXEC = ("EXEC_TIMEOUT", "exec_timeout")
WRITE = "write_timeout"
# How long a request may take to be read: where it says nothing else, it is all that is known.
READ = "read_timeout"
UNSAID = ("", "default")

_TIMES = (
    "REQUEST_TIMEOUT_SECONDS",
    "MAX_FUNCTION_SECONDS",
    "PROVIDER_WAIT_SECONDS",
    "PROVIDER_WAKE_SECONDS",
)
_DAY_SECONDS = 24 * 60 * 60.0
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?")
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Wait:
    """How long somebody waits.

    Attributes:
        what: in words.
        formula: how the number comes about, in names of variables; empty where it is fixed.
        levers: the variables that change it, the one to change first; none where it is fixed.
        is_given: whether the first of them was set by hand.
    """

    what: str
    seconds: float
    formula: str
    levers: tuple[str, ...] = ()
    is_given: bool = False

    def __str__(self) -> str:
        """Tell the number and where it comes from."""
        if self.is_given:
            return f"{self.levers[0]}={self.seconds:g}"
        return f"{self.seconds:g} s" + (f": {self.formula}" if self.formula else "")


@dataclass(frozen=True)
class Link:
    """Two neighbours of the chain, and why the outer one must wait longer than the inner one."""

    inner: Wait
    outer: Wait
    why: str
    may_be_equal: bool = False

    @property
    def holds(self) -> bool:
        """Whether the order is kept."""
        if self.may_be_equal:
            return self.inner.seconds <= self.outer.seconds
        return self.inner.seconds < self.outer.seconds

    def broken(self) -> str:
        """Say what is wrong, and which value to change."""
        order = "at most as long as" if self.may_be_equal else "shorter than"
        return (
            f"{self.inner.what} ({self.inner}) must be {order} {self.outer.what} ({self.outer}):"
            f" {self.why}. {self.advice()}"
        )

    def advice(self) -> str:
        """Name the values to change; one that both hang on moves neither past the other."""
        inner, outer = self.inner.levers, self.outer.levers
        lower = " or ".join(name for name in inner if name not in outer)
        more = " or ".join(name for name in outer if name not in inner)
        follows = " (left out, it follows)" if self.outer.is_given and self.outer.formula else ""
        ways = [f"lower {lower}" if lower else "", f"raise {more}{follows}" if more else ""]
        if self.outer.is_given and not self.inner.is_given:
            ways.reverse()  # what was set by hand is likely what was meant least
        text = ", or ".join(filter(None, ways))
        return text[:1].upper() + text[1:]


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
        waits = _waits(environment)
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


def limits_of(environment: Mapping[str, str]) -> Limits:
    """Read the limits that are times; another one that is wrong is no matter of theirs.

    Raises:
        ValueError: naming all variables that are wrong.
    """
    return Limits.from_env({name: environment.get(name, "") for name in _TIMES})


def poll_seconds(consumer_seconds: float) -> float:
    """Tell how long Kafka waits for a consumer that waits for its calls so long, and commits."""
    return max(_LEAST_POLL_SECONDS, consumer_seconds + DRAIN_SECONDS)


def rollout_seconds(environment: Mapping[str, str]) -> float:
    """Tell how long whoever deploys waits: the provider gives up first, and says why.

    Raises:
        ValueError: as `check`.
    """
    return check(environment).seconds("rollout") + START_SECONDS


class _Reader:
    """Takes numbers out of an environment, and keeps what is wrong."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.wrong: list[str] = []

    def by_hand(self, variable: str, *, nought: bool = False) -> float | None:
        """Give a number of seconds; None where there is none.

        Args:
            nought: 0 means that there is none.
        """
        text = self._environment.get(variable, "")
        if text in UNSAID:
            return None
        try:
            seconds = float(text)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < float("inf"):
            self.wrong.append(f"{variable}={text!r}: expected a number of seconds")
            return None
        return None if nought and not seconds else seconds


def _waits(environment: Mapping[str, str]) -> dict[str, Wait]:
    limits = limits_of(environment)
    reader = _Reader(environment)
    one_call, of_any = "REQUEST_TIMEOUT_SECONDS", "MAX_FUNCTION_SECONDS"
    replica = "PROVIDER_WAIT_SECONDS"
    says = call_seconds(environment)
    function = says or limits.request_timeout_seconds

    def within(variable: str, what: str, usual: float) -> Wait:
        """Part of the work of a call: half of it at most where nothing else is said."""
        given = reader.by_hand(variable)
        seconds = min(usual, function / 2) if given is None else given
        formula = f"{usual:g}, at most {one_call} ÷ 2"
        return Wait(what, seconds, formula, (variable,), given is not None)

    def follows(variable: str, what: str, usual: float, formula: str) -> Wait:
        given = reader.by_hand(variable, nought=True)
        return Wait(what, given or usual, formula, (variable,), given is not None)

    def fixed(variable: str, what: str, usual: float) -> Wait:
        given = reader.by_hand(variable)
        seconds = usual if given is None else given
        return Wait(what, seconds, "", (variable,), given is not None)

    waits = {
        "cache": within("CACHE_TIMEOUT_SECONDS", "a command of Redis", CACHE_SECONDS),
        "store": within("STORE_TIMEOUT_SECONDS", "a request of MinIO", STORE_SECONDS),
        "produce": within("PRODUCE_TIMEOUT_SECONDS", "Kafka's acknowledgement", PRODUCE_SECONDS),
        "decode": within("MAX_DECODE_SECONDS", "the decoding of one image", DECODE_SECONDS),
        "prefer": within("MAX_WAIT_SECONDS", "the longest `Prefer: wait`", PREFER_WAIT_SECONDS),
        "function": Wait(
            "a call in a function's own server",
            function,
            one_call,
            (EXEC[0], *([] if says else [one_call])),
            says is not None,
        ),
        "one call": Wait(
            "what a function of ours may take",
            limits.request_timeout_seconds,
            one_call,
            (one_call,),
            environment.get(one_call, "") not in UNSAID,
        ),
        "provider": Wait(
            "the provider's wait for a function of ours",
            limits.call_seconds,
            f"{replica} + {one_call} + 1",
            (replica, one_call),
        ),
        "consumer": follows(
            "INVOKE_TIMEOUT_SECONDS",
            "the consumer's wait for the classifier, for which its token is good",
            limits.gateway_timeout_seconds,
            f"{replica} + {one_call} + 10",
        ),
        "gateway": Wait(
            "Nginx' wait for a function of ours, for which its token is good",
            limits.gateway_timeout_seconds,
            f"{replica} + {one_call} + 10",
        ),
        "rollout": follows(
            "PROVIDER_ROLLOUT_SECONDS",
            "the time in which a new replica must be ready",
            limits.request_timeout_seconds + START_SECONDS,
            f"{one_call} + {START_SECONDS}",
        ),
        "any provider": Wait(
            "the provider's wait for any function",
            limits.provider_answers_seconds,
            f"{of_any} + PROVIDER_WAKE_SECONDS + 30",
            (of_any, "PROVIDER_WAKE_SECONDS"),
        ),
        "any gateway": Wait(
            "Nginx' wait for any function",
            limits.gateway_ceiling_seconds,
            f"{of_any} + PROVIDER_WAKE_SECONDS + 35",
        ),
        "asynchronous": follows(
            "ASYNC_CALL_SECONDS",
            "an asynchronous call",
            limits.gateway_ceiling_seconds,
            f"{of_any} + PROVIDER_WAKE_SECONDS + 35",
        ),
        "put off": fixed(
            "ASYNC_CALL_WAIT_SECONDS",
            "the wait of an asynchronous call for a busy function",
            CALL_WAIT_SECONDS,
        ),
        "retry": fixed("RETRY_MAX_SECONDS", "the longest wait between attempts", RETRY_MAX_SECONDS),
        "retention": Wait(
            "what a topic keeps",
            RETENTION_DAYS * _DAY_SECONDS,
            f"{RETENTION_DAYS} days",
        ),
        "grace": fixed(
            "SHUTDOWN_GRACE_SECONDS",
            "how long a function that is told to end takes requests",
            SHUTDOWN_GRACE_SECONDS,
        ),
        "drain": Wait("a consumer's last work", DRAIN_SECONDS, ""),
        "kill": Wait("the time from SIGTERM to SIGKILL", KILL_SECONDS, ""),
        "session": Wait("Kafka's session (`session.timeout.ms`)", SESSION_SECONDS, ""),
    }
    waits["first retry"] = fixed(
        "RETRY_BASE_SECONDS",
        "the wait before the second attempt",
        min(RETRY_BASE_SECONDS, waits["retry"].seconds),
    )
    accepting = waits["store"].seconds + waits["produce"].seconds
    levers = ("STORE_TIMEOUT_SECONDS", "PRODUCE_TIMEOUT_SECONDS")
    waits["accepting"] = Wait(
        "the acceptance of an asynchronous call", accepting, " + ".join(levers), levers
    )
    waits["queue"] = Wait(
        "the provider's wait for that",
        max(_LEAST_QUEUE_SECONDS, 2 * accepting),
        f"{_LEAST_QUEUE_SECONDS:g}, at least 2 × the acceptance",
    )
    waits["poll"] = Wait(
        "Kafka's wait for the consumer's loop (`max.poll.interval.ms`)",
        poll_seconds(waits["consumer"].seconds),
        f"{_LEAST_POLL_SECONDS:g}, at least INVOKE_TIMEOUT_SECONDS + {DRAIN_SECONDS:g}",
    )
    if reader.wrong:
        raise ValueError("; ".join(reader.wrong))
    return waits


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
        link("session", "poll", "librdkafka takes nothing else"),
        link("consumer", "poll", "a consumer that waits for its last calls is still in its group"),
        link("drain", "poll", "and commits what it has finished"),
    )


def in_seconds(text: str) -> float | None:
    """Read a duration as Go writes it, as 1m30s, or a number of seconds; None if it is none."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    parts = [*_PART.finditer(text)]
    if not parts or "".join(part[0] for part in parts) != text:
        return None
    return sum(float(part[1]) * _UNITS[part[2]] for part in parts)


def call_seconds(environment: Mapping[str, str]) -> float | None:
    """Tell how long a function says that a call of it may take; None if it says nothing.

    Where it names a time for its process and one for its answer, the shorter ends the call. As in
    OpenFaaS' watchdogs 0 is no limit of its own.

    Raises:
        ValueError: a variable is no duration; the text names it.
    """
    found = {
        name: _read(name, environment[name])
        for name in (*EXEC, WRITE, READ)
        if environment.get(name, "") not in UNSAID
    }
    process = next((found[name] for name in EXEC if found.get(name)), 0.0)
    limits = [seconds for seconds in (process, found.get(WRITE, 0.0)) if seconds]
    return min(limits, default=0.0) or found.get(READ) or None


def _read(name: str, text: str) -> float:
    if (seconds := in_seconds(text)) is None:
        raise ValueError(
            f"{name} is {text[:80]!r}; write it as Go does, such as 90s or 1m30s, or in seconds"
        )
    return seconds
