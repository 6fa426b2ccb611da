"""Takes network addresses out of what other programs print, so that it can be shown to anybody."""

from __future__ import annotations

import re

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>|]+", re.IGNORECASE)
# Where pip, Go, apt and Maven name a host without a URL.
_HOST = re.compile(
    r"""(?P<before>host=['"]|\blookup\ |\bdial\ tcp\ |\b[Rr]esolve(?:\ host:)?\ ['"]?
        |\b[Cc]onnect(?:ing|ion)?\ to\ |\[IP:\ |\bhost:\ )
        (?P<host>[\w.:-]*[\w])""",
    re.VERBOSE,
)
_ON_SERVER = re.compile(r"(?<= on )\S+:\d+(?=: )")  # Go: which name server was asked
_HIDDEN = "(address)"


def hide(line: str) -> str:
    """Leave of a URL the last part of its path, which tells what was fetched."""
    without_urls = _URL.sub(lambda found: _last_part(found[0]), line)
    return _ON_SERVER.sub(_HIDDEN, _HOST.sub(rf"\g<before>{_HIDDEN}", without_urls))


def _last_part(url: str) -> str:
    path = url.partition("://")[2].partition("?")[0].partition("#")[0].rstrip(".,;:)]")
    parts = [part for part in path.split("/")[1:] if part]
    return parts[-1] if parts else _HIDDEN
