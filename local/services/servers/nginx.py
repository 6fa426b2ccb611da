"""Nginx: the gateway's configuration for one stack, and its command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from local.services.fetch import debian
from local.services.progress import StepFailed
from local.services.settings import ROOT, Stack

_TRAVERSABLE_BY_OTHERS = 0o001


def prepare(stack: Stack) -> None:
    """Fill in the committed configuration and the keys, in the stack's gateway folder.

    Raises:
        StepFailed: it cannot be done; the text says why.
    """
    done = subprocess.run(
        [sys.executable, "-m", "gateway.render"],
        cwd=ROOT,
        env={**os.environ, **_environment(stack)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise StepFailed(done.stderr.strip())


def _environment(stack: Stack) -> dict[str, str]:
    return {
        **stack.limits.environment(),
        "GATEWAY_ADDRESS": f"127.0.0.1:{stack.ports.gateway}",
        "PROVIDER_ADDRESS": f"127.0.0.1:{stack.ports.provider}",
        "GATEWAY_DIR": str(stack.gateway_dir),
        "NJS_MODULE": str(debian.nginx_js(stack)),
        "API_KEYS_DIR": str(stack.api_key_file.parent),
        "FUNCTION_KEYS_DIR": str(stack.secrets_dir),
    }


def command(stack: Stack) -> list[str]:
    return [
        str(debian.nginx(stack)),
        *("-p", str(stack.gateway_dir), "-c", str(stack.gateway_dir / "nginx.conf")),
        *("-g", f"daemon off;{_user(stack.gateway_dir)}"),
    ]


def _user(*folders: Path) -> str:
    """Workers of a root's Nginx drop to another user, unless that could not reach the folders."""
    parents = {parent for folder in folders for parent in folder.parents}
    reached = all(parent.stat().st_mode & _TRAVERSABLE_BY_OTHERS for parent in parents)
    return "" if os.geteuid() != 0 or reached else " user root;"
