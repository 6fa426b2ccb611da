"""What a person needs to know of a running stack: addresses, where logins are, what to try."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from local.services.certificates import authority
from local.services.commands import example, rollout
from local.services.settings import Stack

_TEXT = """\
{label}
  Try it       curl {trust}-H "X-Api-Key: $(cat {api_key})" \
-F file=@{example} {gateway}/api/v1/images
  Page         {gateway}/   sign in with the key in {api_key}
{tls}  Gateway      {gateway}   API key: {api_key}   model: {model_id}
  MinIO        http://127.0.0.1:{console_port}   user:password to look: {secrets}/minio-viewer
  OpenFaaS     {gateway}/system/functions   user: admin   password: {secrets}/basic-auth-password
  faas-cli     {trust_go}faas-cli login --gateway {gateway} \
--password-stdin < {secrets}/basic-auth-password
  Models       .venv/bin/imagectl models list, add, use
  Proof        .venv/bin/imagectl prove
  And then     make status, make logs, make down
"""


def text(stack: Stack, answer: dict[str, Any] | None = None) -> str:
    """The addresses, behind what the example picture was answered with if there was one."""
    return _TEXT.format(
        label=_label(answer) if answer else "",
        api_key=_short(stack.api_key_file),
        example=example.EXAMPLE,
        gateway=stack.gateway_url,
        model_id=rollout.remembered(rollout.model_id_file(stack)),
        console_port=stack.ports.minio_console,
        secrets=_short(stack.secrets_dir),
        **_trust(stack),
    )


def _trust(stack: Stack) -> dict[str, str]:
    """How programs are told to trust the gateway's certificate, where it is the stack's own."""
    if not stack.tls.is_on:
        return {"trust": "", "trust_go": "", "tls": ""}
    plain = f"http://{stack.tls.called}:{stack.ports.gateway_http}"
    if not stack.tls.is_own:
        shown = f"  TLS          {stack.tls.certificate}   {plain} leads here\n"
        return {"trust": "", "trust_go": "", "tls": shown}
    file = _short(authority.certificate(stack.tls_dir))
    shown = f"  TLS          trust {file}, for browsers: docs/tls.md   {plain} leads here\n"
    return {"trust": f"--cacert {file} ", "trust_go": f"SSL_CERT_FILE={file} ", "tls": shown}


def _label(answer: dict[str, Any]) -> str:
    best = answer["result"]["labels"][0]
    return f"\n  {example.EXAMPLE} is: {best['label']} ({best['score']:.1%})\n"


def _short(path: Path) -> str:
    """Relative to the current folder where it is below it, so that lines can be pasted."""
    here = Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)
