"""Whether every part of a running deployment answers, is sound, and is of this version."""

from __future__ import annotations

from collections.abc import Iterator

from imagectl.doctor import asking
from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import FAILED, WARNING, Finding, Wrong, of, unseen
from pipeline.errors import Unavailable

_SOUND = ("healthy", "done")
_READY = "ready"
# Redis is a cache: without it every answer still comes, only slower.
_OPTIONAL = ("redis",)


def gateway(deployment: Deployment) -> list[Finding]:
    """Nginx."""
    url = deployment.gateway_url
    try:
        answer = asking.get(f"{url}/healthz", authority=deployment.authority)
    except Unavailable as error:
        change = "start it (`make up`), or let GATEWAY_URL name it"
        return [of("gateway", [Wrong(str(error), "200", change)], "")]
    wrong = _status("gateway", answer.status) or asking.version(
        "gateway", answer.json().get("version")
    )
    return [of("gateway", wrong, f"{url} answers")]


def provider(deployment: Deployment) -> list[Finding]:
    """OpenFaaS, or ours in its place."""
    settings = deployment.settings
    url = settings.openfaas_url.rstrip("/")
    login = settings.secrets.text("basic-auth-user"), settings.secrets.text("basic-auth-password")
    try:
        answer = asking.get(f"{url}/system/info", login)
    except Unavailable as error:
        change = "start it (`make up`), or let OPENFAAS_URL name it"
        return [of("provider", [Wrong(str(error), "200", change)], "")]
    if wrong := _status("provider", answer.status):
        return [of("provider", wrong, "")]
    told = answer.json()
    kind = (told.get("provider") or {}).get("provider")
    limits = told.get("memoryLimits")
    if kind != "local":
        return [of("provider", [], f"{url} answers as {kind}, not one of ours")]
    wrong = asking.version("provider", (told.get("version") or {}).get("release"))
    return [of("provider", wrong, f"{url} answers; memory is limited by {limits}")]


def ready(deployment: Deployment) -> list[Finding]:
    """What /readyz says of everything behind the gateway."""
    change = "`make status`, `make logs s=NAME`: they say why"
    try:
        answer = asking.get(f"{deployment.gateway_url}/readyz", authority=deployment.authority)
    except Unavailable as error:
        return [of("ready", [Wrong(str(error), "200", change)], "")]
    parts = answer.json().get("parts")
    if not isinstance(parts, dict):
        return [of("ready", [Wrong(f"/readyz answers {answer.status}", "its parts", change)], "")]
    wrong = [
        Wrong(f"{name}: {said}", _READY, change, WARNING if name in _OPTIONAL else FAILED)
        for name, said in parts.items()
        if said != _READY
    ]
    return [of("ready", wrong, ", ".join(parts))]


def supervised(deployment: Deployment) -> list[Finding]:
    """What the supervisor of a local stack says of its parts."""
    told = deployment.supervised()
    if not told:
        return [unseen("processes", f"no supervisor runs with {deployment.state_dir}")]
    wrong = [
        Wrong(f"{name} is {it['state']} {it['wrong']}".strip(), "healthy", f"make logs s={name}")
        for name, it in told.items()
        if it["state"] not in _SOUND
    ]
    return [of("processes", wrong, f"{len(told)} as they must be")]


def consumers(deployment: Deployment) -> list[Finding]:
    """Consumers, and what verifies bearer tokens, each at its own port."""
    urls = deployment.consumer_urls()
    if not urls:
        return [unseen("consumers", "PARTS names none")]
    wrong = [each for name, url in urls.items() for each in _consumer(name, url)]
    return [of("consumers", wrong, f"{', '.join(urls)} answer")]


def _consumer(name: str, url: str) -> Iterator[Wrong]:
    change = f"`make logs s={name}` says why"
    try:
        answer = asking.get(f"{url}/healthz")
    except Unavailable as error:
        yield Wrong(f"{name}: {error}", "200", change)
        return
    told = answer.json()
    if answer.status != 200:
        yield Wrong(f"{name}: {told.get('status') or answer.status}", "ok", change)
    elif trouble := told.get("message"):
        yield Wrong(f"{name}: {trouble}", "ok", change, WARNING)
    yield from asking.version(name, told.get("version"))


def _status(name: str, status: int) -> list[Wrong]:
    if status == 200:
        return []
    change = "SECRETS_DIR names the secrets" if status == 401 else f"`make logs s={name}` says why"
    return [Wrong(f"{name} answers {status}", "200", change)]
