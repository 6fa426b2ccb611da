"""How long a function may take: what it says, as OpenFaaS' templates know it, and what may be."""

from __future__ import annotations

from collections.abc import Mapping

from local.provider.refusal import Refused
from pipeline.limits import MARGIN_SECONDS, Limits
from pipeline.names import FUNCTIONS
from pipeline.timeouts import durations

NAMES = (*durations.EXEC, durations.WRITE, durations.READ)


def asked_for(env: Mapping[str, str]) -> float | None:
    """Tell how long a function says that a call of it may take; None if it says nothing.

    Raises:
        Refused: a variable is no duration; the text names it.
    """
    try:
        return durations.call_seconds(env)
    except ValueError as error:
        raise Refused(400, str(error)) from error


def check(name: str, env: Mapping[str, str], limits: Limits) -> None:
    """Refuse a function that allows itself more than the gateway waits for it.

    Ours are called by routes of their own, and by the consumer: those wait less than for any.
    """
    is_ours = name in FUNCTIONS
    most = limits.request_timeout_seconds if is_ours else limits.function_ceiling_seconds
    seconds = asked_for(env)
    if seconds and seconds > most:
        said = ", ".join(f"{name}={env[name]}" for name in NAMES if name in env)
        lever = "REQUEST_TIMEOUT_SECONDS" if is_ours else "MAX_FUNCTION_SECONDS"
        raise Refused(
            400,
            f"the function {name} allows itself {seconds:g} s a call ({said[:120]}); the gateway"
            f" waits {most:g} s at most. Allow less, or raise {lever}",
        )


def answered_within(
    name: str, patience_seconds: float, call_seconds: float, limits: Limits
) -> float:
    """Tell after how many seconds a call has its answer, whatever becomes of its replicas.

    Routes and the consumer wait for ours as if one ran already: where one is started first, what
    that takes is taken from the call. For any other function the gateway waits longer.

    Args:
        patience_seconds: for a replica.
        call_seconds: as `of_calls` tells it.
    """
    most = limits.call_seconds if name in FUNCTIONS else limits.provider_answers_seconds
    return min(patience_seconds + call_seconds + MARGIN_SECONDS, most)


def of_calls(env: Mapping[str, str], usual_seconds: float, most_seconds: float) -> float:
    """Tell after how many seconds a call of the function is answered 504.

    Args:
        usual_seconds: for one that says nothing.
        most_seconds: for any, also one that was deployed when more was allowed.
    """
    try:
        asked = asked_for(env)
    except Refused:  # deployed before this was looked at
        asked = None
    return min(asked or usual_seconds, most_seconds)
