"""Nginx: the gateway's configuration for one stack, and its command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from local.services.fetch import debian
from local.services.progress import StepFailed
from local.services.settings import ROOT, Stack

_TRAVERSABLE_BY_OTHERS = 0o001
# Whoever Nginx' workers are when root starts it.
_USER, _GROUP = "nobody", "nogroup"


def prepare(stack: Stack) -> None:
    """Fill in the committed configuration and the keys of functions, in the stack's gateway folder.

    Raises:
        StepFailed: it cannot be done; the text says why.
    """
    _open_keys(stack)
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
        "KEYS_DIR": str(stack.keys_dir),
        "KEYS_USED_DIR": str(stack.keys_used_dir),
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
    if os.geteuid() != 0:
        return ""
    return f" user {_USER} {_GROUP};" if reached else " user root;"


def _open_keys(stack: Stack) -> None:
    """Let the workers read what is known of keys, and note in a folder of theirs which are used."""
    for folder in (stack.keys_dir, stack.keys_used_dir):
        folder.mkdir(parents=True, exist_ok=True)
    stack.keys_used_dir.chmod(0o700)
    if os.geteuid() != 0:
        stack.keys_dir.chmod(0o700)
        return
    shutil.chown(stack.keys_used_dir, _USER, _GROUP)
    for path in (stack.keys_dir, *stack.keys_dir.iterdir()):
        shutil.chown(path, group=_GROUP)
    # What is made in it later has its group.
    stack.keys_dir.chmod(0o2750)
