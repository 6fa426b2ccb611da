"""What stack.yml, with this environment, would deploy; and whether it fits the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import Finding, Wrong, of, unseen
from pipeline.errors import SettingsError
from pipeline.limits import Limits
from pipeline.names import FUNCTIONS
from pipeline.substitution import substitute
from pipeline.timeouts import durations, waits
from pipeline.timeouts.chain import Chain


class Unreadable(Exception):
    """There is no stack.yml, or it is none; the text says why."""


@dataclass(frozen=True)
class Described:
    """A function as stack.yml describes it."""

    name: str
    environment: Mapping[str, str]
    secrets: tuple[str, ...]
    labels: Mapping[str, str]


def read(path: Path, environment: Mapping[str, str]) -> list[Described]:
    """Read the functions.

    Raises:
        Unreadable: it cannot be done.
        SettingsError: it is there, and wrong.
    """
    try:
        import yaml
    except ImportError as error:  # where only consumers are installed
        raise Unreadable("PyYAML is not installed") from error
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Unreadable(f"there is no {path}; --stack names it") from error
    try:
        told = yaml.safe_load(substitute(text, environment))
        return [_described(name, fields) for name, fields in told["functions"].items()]
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error


def _described(name: str, fields: Mapping[str, Any]) -> Described:
    given = {str(key): str(text) for key, text in (fields.get("environment") or {}).items()}
    labels = {str(key): str(text) for key, text in (fields.get("labels") or {}).items()}
    return Described(name, given, tuple(map(str, fields.get("secrets") or ())), labels)


def functions(deployment: Deployment) -> list[Finding]:
    """All of ours are there, and none takes longer than its callers wait."""
    try:
        described = read(deployment.stack_file, deployment.environment)
        limits = waits.limits_of(deployment.environment)
    except Unreadable as error:
        return [unseen("functions", str(error))]
    except ValueError:
        return [unseen("functions", "the timeouts cannot be read")]
    except SettingsError as error:
        found = [Wrong(str(error), "what faas-cli reads", f"mend {deployment.stack_file}")]
        return [of("functions", found, "")]
    names = [each.name for each in described]
    wrong = [
        Wrong(f"there is no {name}", "all of ours", f"describe {name} in {deployment.stack_file}")
        for name in FUNCTIONS
        if name not in names
    ]
    for each in described:
        wrong += _too_slow(each, limits)
    return [of("functions", wrong, f"stack.yml describes {', '.join(names)}")]


def _too_slow(described: Described, limits: Limits) -> list[Wrong]:
    """Compare what a function says of its calls with what waits for them."""
    is_ours = described.name in FUNCTIONS
    lever = "REQUEST_TIMEOUT_SECONDS" if is_ours else "MAX_FUNCTION_SECONDS"
    most = limits.request_timeout_seconds if is_ours else limits.function_ceiling_seconds
    where = f"the environment of {described.name} in stack.yml"
    try:
        seconds = durations.call_seconds(described.environment)
        broken = Chain.from_env(described.environment).broken() if is_ours else []
    except ValueError as error:
        return [Wrong(f"{described.name}: {error}", "a duration", f"change {where}")]
    if seconds and seconds > most:
        found = f"EXEC_TIMEOUT of {described.name} is {seconds:g} s, {lever} is {most}"
        change = f"lower EXEC_TIMEOUT in {where}, or raise {lever}"
        return [Wrong(found, "EXEC_TIMEOUT at most as long", change)]
    return [
        Wrong(f"{described.name}: {text}", "a chain that holds", f"change {where}")
        for text in broken
    ]
