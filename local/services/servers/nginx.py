"""Nginx: the gateway's configuration for one stack, and its command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from local.machine import files
from local.services.certificates import authority, keeper
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
    if stack.tls.is_on and not keeper.pair(stack).exists():
        keeper.refresh(stack)
    files.write(stack.state_dir / "gateway-url", stack.gateway_url)
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
        **_tls(stack),
        "GATEWAY_ADDRESS": _address(stack, stack.ports.gateway),
        "PROVIDER_ADDRESS": f"127.0.0.1:{stack.ports.provider}",
        "GATEWAY_DIR": str(stack.gateway_dir),
        "NJS_MODULE": str(debian.nginx_js(stack)),
        "KEYS_DIR": str(stack.keys_dir),
        "KEYS_USED_DIR": str(stack.keys_used_dir),
        "FUNCTION_KEYS_DIR": str(stack.secrets_dir),
        "OIDC_ADDRESS": f"127.0.0.1:{stack.ports.oidc}" if stack.oidc else "",
    }


def _tls(stack: Stack) -> dict[str, str]:
    """What Nginx is told of TLS; that there is none, where a stack speaks none."""
    if not stack.tls.is_on:
        return {"TLS": "0"}
    names = stack.tls.names if stack.tls.certificate else authority.own_names(stack.tls)
    return {
        "TLS": "1",
        "TLS_PAIR": str(keeper.pair(stack)),
        "TLS_NAMES": ",".join(names),
        "TLS_PORT": str(stack.ports.gateway),
        "TLS_HSTS": "0" if stack.tls.is_own else "1",
        "GATEWAY_HTTP_ADDRESS": _address(stack, stack.ports.gateway_http),
    }


def _address(stack: Stack, port: int) -> str:
    host = stack.tls.host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def command(stack: Stack) -> list[str]:
    return [
        str(debian.nginx(stack)),
        # What it says before it has read where it is to.
        *("-e", "stderr"),
        *("-p", str(stack.gateway_dir), "-c", str(stack.gateway_dir / "nginx.conf")),
        *("-g", f"daemon off;{_user(stack)}"),
    ]


def _user(stack: Stack) -> str:
    """Workers of a root's Nginx drop to another user, unless that could not reach the folders."""
    if os.geteuid() != 0 or keeper.own_reader(stack):
        return ""  # it is no root's
    parents = stack.gateway_dir.parents
    reached = all(parent.stat().st_mode & _TRAVERSABLE_BY_OTHERS for parent in parents)
    return f" user {_USER} {_GROUP};" if reached else " user root;"


def _open_keys(stack: Stack) -> None:
    """Let the workers read what is known of keys, and note in a folder of theirs which are used."""
    for folder in (stack.keys_dir, stack.keys_used_dir):
        folder.mkdir(parents=True, exist_ok=True)
    stack.keys_used_dir.chmod(0o700)
    if keeper.own_reader(stack):
        # What is made in it later has its group, too.
        stack.keys_dir.chmod(0o2750)
        return
    if os.geteuid() != 0:
        stack.keys_dir.chmod(0o700)
        return
    shutil.chown(stack.keys_used_dir, _USER, _GROUP)
    for path in (stack.keys_dir, *stack.keys_dir.iterdir()):
        shutil.chown(path, group=_GROUP)
    # What is made in it later has its group.
    stack.keys_dir.chmod(0o2750)
