"""Sends the bundled picture through the gateway and wants a label: what `helm test` runs."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
from pathlib import Path

_SECONDS = 60


def main() -> int:
    """Return 0, or 1 with what came instead of a label."""
    headers = {
        "X-Api-Key": Path(os.environ["SECRETS_DIR"], "api-key").read_text(encoding="utf-8").strip(),
        "Content-Type": "image/png",
        "Content-Disposition": 'attachment; filename="example.png"',
        "Prefer": "wait=30",
        "Host": os.environ["NAME"],
    }
    connection = _connection(os.environ["ADDRESS"], os.environ.get("CA_FILE", ""))
    picture = Path("models/demonstration/example.png").read_bytes()
    connection.request("POST", "/api/v1/images", picture, headers)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    print(answer.status, text)
    if answer.status != http.HTTPStatus.OK:
        return 1
    told = json.loads(text)
    return 0 if told["status"] == "completed" and told["result"]["labels"] else 1


def _connection(address: str, authority: str) -> http.client.HTTPConnection:
    """Connect to the Service; its certificate, if it has one, is for the name that clients use."""
    plain = http.client.HTTPConnection(address, timeout=_SECONDS)
    plain.connect()
    if os.environ.get("TLS") == "1":
        known = authority if authority and Path(authority).is_file() else None
        context = ssl.create_default_context(cafile=known)
        plain.sock = context.wrap_socket(plain.sock, server_hostname=os.environ["NAME"])
    return plain


if __name__ == "__main__":
    sys.exit(main())
