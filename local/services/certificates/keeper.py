"""Keeps the gateway's certificate good while the stack runs: renews its own, takes up another's.

`python -m local.services.certificates.keeper` does it. Nginx reads what is put here at each
handshake: nothing is restarted, and no connection is dropped.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from local.machine import files
from local.services.certificates import authority
from local.services.isolation import record
from local.services.isolation.accounts import NGINX
from local.services.progress import StepFailed
from local.services.settings import ROOT, Stack

logger = logging.getLogger(__name__)

NAME = "certificates"
_LOOK_SECONDS = 1.0
_RENEW_SECONDS = 3600.0
# Whoever Nginx' workers are when root starts it.
WORKER = "nobody"

# Which version of a file this is; none where it cannot be seen.
Version = tuple[int, int, int] | None


def pair(stack: Stack) -> Path:
    """Certificate and key, as Nginx shows them."""
    return stack.gateway_dir / "tls" / "pair.pem"


def put(stack: Stack) -> None:
    """Let Nginx show the certificate that there is now.

    Raises:
        StepFailed: it cannot be used; what was shown before is shown on.
    """
    stack.gateway_dir.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "gateway.pair", *map(str, _sources(stack)), str(pair(stack))]
    done = subprocess.run(
        [*command, _reader(stack)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        raise StepFailed(f"TLS_CERTIFICATE, TLS_KEY: {done.stderr.strip()[-500:]}")


def refresh(stack: Stack) -> None:
    """Have a good certificate, of the stack's own if the operator gives none, and show it.

    Raises:
        StepFailed: it cannot be made or used.
    """
    if stack.tls.is_own:
        _have_own(stack)
    put(stack)


def message(stack: Stack) -> str:
    """What is wrong with the certificate that is there now; empty if nothing."""
    try:
        return _said(stack).read_text(encoding="utf-8")
    except OSError:
        return ""


class Keeper:
    """Looks at the files, again and again."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._put: list[Version] = []
        self._renew_at = 0.0

    def look(self) -> None:
        """Renew what is due; put what has changed. Errors are said, and nothing ends by them."""
        try:
            if self._stack.tls.is_own and time.monotonic() >= self._renew_at:
                self._renew_at = time.monotonic() + _RENEW_SECONDS
                if _have_own(self._stack):
                    logger.info("the gateway's certificate was renewed")
            now = [_version(path) for path in _sources(self._stack)]
            if now != self._put:
                self._put = now
                put(self._stack)
                self._say("")
        except (StepFailed, OSError, subprocess.SubprocessError) as error:
            logger.error("%s; the certificate before is shown on", error)
            self._say(f"{error}; the certificate before is shown on")

    def _say(self, text: str) -> None:
        if text:
            files.write(_said(self._stack), text)
        else:
            _said(self._stack).unlink(missing_ok=True)


def _have_own(stack: Stack) -> bool:
    """Have a certificate of the stack's own; whether it was made now."""
    return authority.have(stack.tls_dir, "gateway", authority.own_names(stack.tls))


def _sources(stack: Stack) -> tuple[Path, Path]:
    if stack.tls.certificate and stack.tls.key:
        return stack.tls.certificate, stack.tls.key
    return authority.issued(stack.tls_dir, "gateway")


def own_reader(stack: Stack) -> str:
    """The number of Nginx' own user; empty where it has none."""
    isolation = record.recorded(stack)
    user = isolation.user(NGINX) if isolation else None
    return str(user.number) if user else ""


def _reader(stack: Stack) -> str:
    """Whom the pair belongs to: as `nginx.command` says who its workers are."""
    if os.geteuid() == 0 and (number := own_reader(stack)):
        return number
    traversable = all(parent.stat().st_mode & 0o001 for parent in stack.gateway_dir.parents)
    return WORKER if os.geteuid() == 0 and traversable else ""


def _said(stack: Stack) -> Path:
    return stack.tls_dir / "wrong"


def _version(path: Path) -> Version:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    keeper = Keeper(Stack.from_env(os.environ))
    waiting = threading.Event()
    while not waiting.wait(_LOOK_SECONDS):
        keeper.look()


if __name__ == "__main__":
    main()
