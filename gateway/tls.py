"""TLS at the gateway: what Nginx is told of it, from the environment of `gateway.render`."""

from __future__ import annotations

import re
from collections.abc import Mapping

# What is rendered besides, and where: at http level in a folder that is included as a whole.
FILES = ("tls.conf", "certificate.js")
_A_YEAR_SECONDS = 365 * 24 * 60 * 60
_HTTPS_PORT = "443"


def is_on(environment: Mapping[str, str]) -> bool:
    """Whether the gateway speaks TLS.

    Raises:
        ValueError: TLS is neither 0 nor 1.
    """
    text = environment.get("TLS") or "0"
    if text not in ("0", "1"):
        raise ValueError(f"TLS={text!r}: expected 1, or 0 for HTTP in clear")
    return text == "1"


def values(environment: Mapping[str, str]) -> dict[str, str]:
    """Give what the files of the gateway name; nothing of TLS where it is off."""
    if not is_on(environment):
        return {"TLS_LISTEN": "", "HSTS_HEADER": '""', "TLS_INCLUDE": ""}
    folder = environment["GATEWAY_DIR"]
    names = _names(environment.get("TLS_NAMES", ""))
    port = environment["TLS_PORT"]
    return {
        "TLS_LISTEN": " ssl",
        "TLS_INCLUDE": f"include {folder}/tls.conf;",
        "TLS_PAIR": environment["TLS_PAIR"],
        "TLS_FIRST_NAME": names[0],
        "TLS_NAMES_PATTERN": "|".join(re.escape(name) for name in names),
        "TLS_PORT_SUFFIX": "" if port == _HTTPS_PORT else f":{port}",
        "GATEWAY_HTTP_ADDRESS": environment["GATEWAY_HTTP_ADDRESS"],
        "HSTS_HEADER": "$hsts",
        "HSTS": f"max-age={_A_YEAR_SECONDS}" if environment.get("TLS_HSTS") == "1" else "",
    }


def _names(text: str) -> list[str]:
    """Read names as a URL has them: an IPv6 address in brackets."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    return [f"[{name}]" if ":" in name else name for name in names] or ["localhost"]
