"""Whether what says who may call, and how often, is right: bearer tokens, the rate of keys."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping

from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import WARNING, Finding, Wrong, of
from pipeline import rates
from pipeline.oidc_settings import Settings

# Which has a default, and is looked at with all other ports.
_PORT = "OIDC_PORT"
_NEXT = re.compile(r"; (?=OIDC_)")


def issuer(deployment: Deployment) -> list[Finding]:
    """Whose bearer tokens are taken, and what their claims mean."""
    told = {name: text for name, text in deployment.environment.items() if name != _PORT}
    if not told.get("OIDC_ISSUER"):
        others = sorted(name for name, text in told.items() if name.startswith("OIDC_") and text)
        return [of("issuer", _without_issuer(others), "no bearer tokens are taken")]
    try:
        settings = Settings.from_env(told)
    except ValueError as error:
        return [of("issuer", [_of_text(text) for text in _NEXT.split(str(error))], "")]
    return [of("issuer", _authority(settings), f"bearer tokens of {settings.issuer} are taken")]


def rate(deployment: Deployment) -> list[Finding]:
    """How often a key may ask that has no rate of its own."""
    environment = deployment.environment
    try:
        told, _, burst = rates.usual(environment).partition(" ")
    except ValueError as error:
        found, _, wanted = str(error).partition(": ")
        names = [name for name in ("KEY_RATE", "KEY_BURST") if name in found]
        return [of("rate", [Wrong(found, wanted, f"change {' or '.join(names)}")], "")]
    if told != rates.NONE:
        return [of("rate", [], f"a key that says none may ask {told}, {burst} at once")]
    return [of("rate", _without_rate(environment), "a key that says none may ask at will")]


def _without_issuer(others: list[str]) -> list[Wrong]:
    if not others:
        return []
    found = f"{', '.join(others)} without OIDC_ISSUER: no bearer token is taken"
    return [Wrong(found, "all of them, or none", "set OIDC_ISSUER, or take them away", WARNING)]


def _without_rate(environment: Mapping[str, str]) -> list[Wrong]:
    if not (burst := environment.get("KEY_BURST")):
        return []
    found = f"KEY_BURST={burst} without KEY_RATE: it limits nothing"
    return [Wrong(found, "both, or none", "set KEY_RATE, or take KEY_BURST away", WARNING)]


def _authority(settings: Settings) -> list[Wrong]:
    if not settings.ca_file:
        return []
    try:
        ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:  # also where there is no certificate in it
        found = f"OIDC_CA_FILE={settings.ca_file}: {error.strerror or error}"
        return [Wrong(found, "a file of certificates (PEM)", "change OIDC_CA_FILE")]
    return []


def _of_text(text: str) -> Wrong:
    """Take a refusal apart: `NAME='text': expected what`."""
    found, _, wanted = text.partition(": expected ")
    return Wrong(found, wanted, f"change {re.split('[=: ]', found)[0]}")
