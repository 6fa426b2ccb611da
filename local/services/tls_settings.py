"""Which TLS a stack speaks: told by the environment, else as an earlier `make up` was told."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.machine import files

_VARIABLES = ("TLS", "TLS_NAMES", "TLS_CERTIFICATE", "TLS_KEY", "GATEWAY_HOST")
_LOOPBACK = "127.0.0.1"
# What a certificate may be for: a name of the DNS, perhaps with a star, or an address.
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
_MOST_NAMES = 50


@dataclass(frozen=True)
class Tls:
    """What clients of the gateway speak.

    Attributes:
        is_on: TLS, and nothing else.
        names: what they call it, beyond this machine's own names.
        certificate, key: files of the operator's; None: the stack makes its own.
        host: the address that the gateway listens on.
    """

    is_on: bool = False
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    host: str = _LOOPBACK

    @property
    def is_own(self) -> bool:
        """Whether the stack makes the gateway's certificate itself."""
        return self.is_on and self.certificate is None

    @property
    def reached_at(self) -> str:
        """The address at which this machine reaches the gateway."""
        if ipaddress.ip_address(self.host).is_unspecified:
            return "::1" if ":" in self.host else _LOOPBACK
        return self.host

    @property
    def called(self) -> str:
        """What this machine's users call the gateway, as in a URL."""
        name = self.names[0] if self.certificate and self.names else self.reached_at
        return f"[{name}]" if ":" in name else name

    def written(self) -> dict[str, str]:
        """Write it as the environment says it."""
        texts = ("1", ",".join(self.names), self.certificate or "", self.key or "", self.host)
        told = zip(_VARIABLES, map(str, texts), strict=True)
        return {name: text for name, text in told if text} if self.is_on else {}


IN_CLEAR = Tls()


def read(environment: Mapping[str, str], state_dir: Path, wrong: list[str]) -> Tls:
    """Read what is told; what is not is as it was at the last start, unless TLS is told.

    Args:
        wrong: what is wrong is added to it, each naming the variable.
    """
    told = {name: environment[name] for name in _VARIABLES if environment.get(name)}
    switch = told.get("TLS", "")
    if switch not in ("", "0", "1"):
        wrong.append(f"TLS={switch!r}: expected 1, or 0 for HTTP in clear")
        return Tls()
    given = told if switch == "0" else {**_remembered(state_dir), **told}
    is_on = given.get("TLS") == "1"
    found = Tls(
        is_on,
        _names(given.get("TLS_NAMES", ""), wrong),
        _file("TLS_CERTIFICATE", given),
        _file("TLS_KEY", given),
        _host(given.get("GATEWAY_HOST", _LOOPBACK), wrong),
    )
    wrong += _contradictions(found)
    return found


def remember(tls: Tls, state_dir: Path) -> None:
    """Keep it for commands that are told nothing, as `make status` and the next `make up`."""
    files.write_json(_file_of(state_dir), tls.written())


def started_with(state_dir: Path) -> dict[str, str]:
    """What the last start was told; nothing where it spoke HTTP in clear."""
    return _remembered(state_dir)


def _remembered(state_dir: Path) -> dict[str, str]:
    try:
        found = json.loads(_file_of(state_dir).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: text for name, text in found.items() if text} if isinstance(found, dict) else {}


def _file_of(state_dir: Path) -> Path:
    return state_dir / "tls.json"


def _file(variable: str, given: Mapping[str, str]) -> Path | None:
    return Path(given[variable]).expanduser().absolute() if variable in given else None


def _names(text: str, wrong: list[str]) -> tuple[str, ...]:
    names = [each.strip().strip("[]").lower() for each in text.split(",") if each.strip()]
    bad = [each for each in names if not (_is_address(each) or _NAME.fullmatch(each))]
    wrong += [f"TLS_NAMES: {each!r}: expected a host's name or an address" for each in bad]
    if len(names) > _MOST_NAMES:
        wrong.append(f"TLS_NAMES has {len(names)} names; {_MOST_NAMES} are allowed")
    return tuple(dict.fromkeys(names))


def _host(text: str, wrong: list[str]) -> str:
    if _is_address(text):
        return text
    wrong.append(f"GATEWAY_HOST={text!r}: expected an address of this machine, as 0.0.0.0 for all")
    return _LOOPBACK


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _contradictions(tls: Tls) -> list[str]:
    found = []
    if (tls.certificate is None) != (tls.key is None):
        found.append("TLS_CERTIFICATE and TLS_KEY: expected both, or neither")
    if tls.certificate and not tls.names:
        found.append("TLS_NAMES is empty: expected what TLS_CERTIFICATE is for")
    if not tls.is_on and (tls.certificate or tls.key):
        found.append("TLS_CERTIFICATE and TLS_KEY: expected TLS=1 with them")
    if not tls.is_on and not ipaddress.ip_address(tls.host).is_loopback:
        found.append(
            f"GATEWAY_HOST={tls.host!r}: expected TLS=1 with it, as keys must not go in clear"
        )
    return found
