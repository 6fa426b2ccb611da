"""Every wait of a deployment: its number, how it follows, and the variable that changes it.

One number is chosen, REQUEST_TIMEOUT_SECONDS: how long one call of a function of ours may take, and
so one inference. All others follow.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.limits import Limits
from pipeline.timeouts.defaults import (
    BROKER_BACK_SECONDS,
    CACHE_SECONDS,
    CALL_WAIT_SECONDS,
    CLIENT_STUCK_SECONDS,
    DECODE_SECONDS,
    DRAIN_SECONDS,
    KILL_SECONDS,
    LEAST_POLL_SECONDS,
    LEAST_QUEUE_SECONDS,
    PREFER_WAIT_SECONDS,
    PRODUCE_SECONDS,
    RETENTION_DAYS,
    RETRY_BASE_SECONDS,
    RETRY_MAX_SECONDS,
    SESSION_SECONDS,
    SHUTDOWN_GRACE_SECONDS,
    START_SECONDS,
    STORE_SECONDS,
)
from pipeline.timeouts.durations import EXEC, UNSAID, call_seconds
from pipeline.timeouts.links import Wait

_TIMES = (
    "REQUEST_TIMEOUT_SECONDS",
    "MAX_FUNCTION_SECONDS",
    "PROVIDER_WAIT_SECONDS",
    "PROVIDER_WAKE_SECONDS",
)
_DAY_SECONDS = 24 * 60 * 60.0


def waits_of(environment: Mapping[str, str]) -> dict[str, Wait]:
    """Read what is set by hand, and derive the rest.

    Raises:
        ValueError: naming all variables that are no numbers.
    """
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
        "broker": Wait("the return of a broker that was killed", BROKER_BACK_SECONDS, ""),
        "session": Wait("Kafka's session (`session.timeout.ms`)", SESSION_SECONDS, ""),
        "stuck": Wait(
            "how long a client of Kafka may fail before it is replaced", CLIENT_STUCK_SECONDS, ""
        ),
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
        max(LEAST_QUEUE_SECONDS, 2 * accepting),
        f"{LEAST_QUEUE_SECONDS:g}, at least 2 × the acceptance",
    )
    waits["poll"] = Wait(
        "Kafka's wait for the consumer's loop (`max.poll.interval.ms`)",
        poll_seconds(waits["consumer"].seconds),
        f"{LEAST_POLL_SECONDS:g}, at least INVOKE_TIMEOUT_SECONDS + {DRAIN_SECONDS:g}",
    )
    if reader.wrong:
        raise ValueError("; ".join(reader.wrong))
    return waits


def limits_of(environment: Mapping[str, str]) -> Limits:
    """Read the limits that are times; another one that is wrong is no matter of theirs.

    Raises:
        ValueError: naming all variables that are wrong.
    """
    return Limits.from_env({name: environment.get(name, "") for name in _TIMES})


def poll_seconds(consumer_seconds: float) -> float:
    """Tell how long Kafka waits for a consumer that waits for its calls so long, and commits."""
    return max(LEAST_POLL_SECONDS, consumer_seconds + DRAIN_SECONDS)


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
