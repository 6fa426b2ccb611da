"""Which pages of other origins a browser lets read our answers, as Nginx is told it."""

from __future__ import annotations

import re

MOST_ORIGINS = 32
# As a browser writes its Origin: in lower case, without the port that goes without saying.
_ORIGIN = re.compile(
    r"https?://(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[1-9][0-9]{0,4})?"
)
_USUAL_PORTS = ("http://", ":80"), ("https://", ":443")


def origins(text: str) -> list[str]:
    """Read a list of origins, joined by commas.

    Raises:
        ValueError: naming what is none; there is no wildcard.
    """
    found = [each.strip() for each in text.split(",") if each.strip()]
    wrong = [each for each in found if not _is_origin(each)]
    if wrong:
        raise ValueError(
            f"CORS_ORIGINS: {', '.join(map(repr, wrong))}: expected origins as browsers send them,"
            " such as https://photos.example or http://127.0.0.1:3000"
        )
    if len(found) > MOST_ORIGINS:
        raise ValueError(f"CORS_ORIGINS: {len(found)} origins; the most are {MOST_ORIGINS}")
    return list(dict.fromkeys(found))


def maps(text: str) -> str:
    """Write the maps that nginx.conf includes.

    Raises:
        ValueError: as `origins`.
    """
    allowed = origins(text)
    rows = "".join(f'    "{each}" "{each}";\n' for each in allowed)
    # An answer depends on who asks as soon as one origin is listed, also where none asks.
    vary = "Origin" if allowed else ""
    return (
        f'map $origin_heard $cors_listed {{\n    default "";\n{rows}}}\n'
        f'map $uri $cors_vary {{\n    default "{vary}";\n    "~^/system/" "";\n}}\n'
    )


def _is_origin(text: str) -> bool:
    is_usual = any(text.startswith(scheme) and text.endswith(port) for scheme, port in _USUAL_PORTS)
    return _ORIGIN.fullmatch(text) is not None and not is_usual
