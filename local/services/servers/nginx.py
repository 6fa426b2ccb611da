"""Nginx: the gateway's configuration for one stack, and its command."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from local.machine import files
from local.services import credentials
from local.services.fetch import debian
from local.services.settings import ROOT, Stack

_TEMPLATE = ROOT / "gateway" / "nginx.conf"
_IDENTITY = ROOT / "gateway" / "identity.js"
_WEB_DIR = ROOT / "gateway" / "web"
# Upper case in braces is ours; $lower_case is Nginx' own.
_PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_TRAVERSABLE_BY_OTHERS = 0o001


def prepare(stack: Stack) -> None:
    """Render the committed configuration and the API keys into the stack's gateway folder."""
    (stack.gateway_dir / "tmp").mkdir(parents=True, exist_ok=True)
    values = {
        "GATEWAY_ADDRESS": f"127.0.0.1:{stack.ports.gateway}",
        "PROVIDER_ADDRESS": f"127.0.0.1:{stack.ports.provider}",
        "GATEWAY_DIR": str(stack.gateway_dir),
        "GATEWAY_CONNECTIONS": str(stack.gateway_connections),
        "LOG_DIR": str(stack.logs_dir),
        "WEB_DIR": str(_WEB_DIR),
        "NJS_MODULE": str(debian.nginx_js(stack)),
        "IDENTITY_JS": str(stack.gateway_dir / _IDENTITY.name),
    }
    text = render(_TEMPLATE.read_text(encoding="utf-8"), values)
    files.write(stack.gateway_dir / "nginx.conf", text, files.PRIVATE)
    keys = credentials.api_keys(stack)
    rows = [f'"{_digest(key)}" "{tenant}";\n' for key, tenant in keys.items()]
    files.write(stack.gateway_dir / "api-keys.map", "".join(rows), files.PRIVATE)
    rows = [f'{name} "{key}";\n' for name, key in credentials.function_keys(stack).items()]
    files.write(stack.gateway_dir / "function-keys.map", "".join(rows), files.PRIVATE)
    files.write(stack.gateway_dir / _IDENTITY.name, _IDENTITY.read_text(encoding="utf-8"))


def render(template: str, values: dict[str, str]) -> str:
    """Fill in the placeholders.

    Raises:
        ValueError: naming those that nobody gave a value.
    """
    lines = template.splitlines(keepends=True)
    code = [line for line in lines if not line.lstrip().startswith("#")]
    unknown = sorted(set(_PLACEHOLDER.findall("".join(code))) - set(values))
    if unknown:
        raise ValueError(f"{_TEMPLATE.name} has unknown placeholders: {', '.join(unknown)}")
    return _PLACEHOLDER.sub(lambda found: values[found[1]], "".join(code))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def command(stack: Stack) -> list[str]:
    return [
        str(debian.nginx(stack)),
        *("-p", str(stack.gateway_dir), "-c", str(stack.gateway_dir / "nginx.conf")),
        *("-g", f"daemon off;{_user(stack.gateway_dir, _WEB_DIR)}"),
    ]


def _user(*folders: Path) -> str:
    """Workers of a root's Nginx drop to another user, unless that could not reach the folders."""
    parents = {parent for folder in folders for parent in folder.parents}
    reached = all(parent.stat().st_mode & _TRAVERSABLE_BY_OTHERS for parent in parents)
    return "" if os.geteuid() != 0 or reached else " user root;"
