"""Whether the settings are right, by themselves and among each other; nothing need run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import Finding, Wrong, of
from pipeline.errors import SettingsError
from pipeline.limits import Limits
from pipeline.settings import Settings
from pipeline.timeouts import chain
from pipeline.timeouts.chain import Chain

# Of a local stack, as local/services/ports.py has them; a test compares.
PORTS = {
    "GATEWAY_PORT": 8080,
    "PROVIDER_PORT": 8081,
    "CONSUMER_PORT": 8082,
    "AUTOSCALER_PORT": 8083,
    "ASYNC_CALL_PORT": 8084,
    "OIDC_PORT": 8085,
    "GATEWAY_HTTP_PORT": 8088,
    "MINIO_PORT": 9000,
    "MINIO_CONSOLE_PORT": 9001,
    "KAFKA_PORT": 9092,
    "KAFKA_CONTROLLER_PORT": 9093,
    "REDIS_PORT": 6379,
}


def settings(deployment: Deployment) -> list[Finding]:
    """Every variable by itself; what does not fit together is told by `timeouts`."""
    environment = deployment.environment
    # Without what belongs to the chain: a broken one is no fault of a single setting.
    alone = {name: text for name, text in environment.items() if name not in chain.levers()}
    wrong = [
        *_said_by(lambda: Settings.from_env(alone)),
        *_said_by(lambda: Limits.from_env(environment)),
    ]
    return [of("settings", wrong, "each is what it may be")]


def timeouts(deployment: Deployment) -> list[Finding]:
    """The chain of timeouts."""
    try:
        found = Chain.from_env(deployment.environment)
    except ValueError as error:
        return [of("timeouts", [_of_text(str(error))], "")]
    wrong = [
        Wrong(
            f"{link.inner.what} is {link.inner}, {link.outer.what} is {link.outer}",
            f"the first {'at most' if link.may_be_equal else 'below'} the second: {link.why}",
            link.advice(),
        )
        for link in found.links
        if not link.holds
    ]
    well = f"{len(found.links)} links hold; one inference may take"
    return [of("timeouts", wrong, f"{well} {found.seconds('one call'):g} s")]


def ports(deployment: Deployment) -> list[Finding]:
    """The ports of a local stack: each a number, and no two the same."""
    given = {name: deployment.environment.get(name) or str(port) for name, port in PORTS.items()}
    wrong = [
        Wrong(f"{name}={text}", "a port, 1 to 65535", f"change {name}")
        for name, text in given.items()
        if not (text.isdecimal() and 0 < int(text) < 65536)
    ]
    counted = Counter(given.values())
    for port in (port for port, count in counted.items() if count > 1):
        names = [name for name, text in given.items() if text == port]
        found = f"{' and '.join(names)} are {port}"
        wrong.append(Wrong(found, "a port for each", f"change {' or '.join(names)}"))
    return [of("ports", wrong, f"{len(given)} different ones")]


def _said_by(read: Callable[[], object]) -> list[Wrong]:
    try:
        read()
    except (SettingsError, ValueError) as error:
        return [_of_text(text) for text in str(error).split("; ")]
    return []


def _of_text(text: str) -> Wrong:
    """Take a refusal apart: `NAME='text': expected what`."""
    found, _, wanted = text.partition(": ")
    name = found.partition("=")[0]
    return Wrong(found, wanted or "something else", f"change {name}")
