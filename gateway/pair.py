"""`python3 -m gateway.pair CERTIFICATE KEY PAIR`: what Nginx shows from the next handshake on.

Chain and key become one file, replaced in one step, and only if they fit: what is shown now stays
until there is something better. Nothing but Python's own library is needed.
"""

from __future__ import annotations

import os
import shutil
import ssl
import sys
from pathlib import Path

# Of the files together: a chain of ten certificates has 20 kB.
_MOST_BYTES = 200_000
_PRIVATE = 0o400


def put(certificate: Path, key: Path, pair: Path, user: str = "") -> None:
    """Put a certificate's chain and its key where Nginx reads them.

    Args:
        certificate: PEM, the server's own first.
        key: PEM, not encrypted.
        user: who alone may read it, a name or a number; whoever runs this if empty.

    Raises:
        ValueError: they cannot be used; the text names the file, and what is wrong.
    """
    text = b"\n".join((_read(certificate), _read(key)))
    pair.parent.mkdir(parents=True, exist_ok=True)
    unfinished = pair.with_name(f".{pair.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        with open(descriptor, "wb") as file:
            file.write(text)
        _check(certificate, key, unfinished)
        if user and os.geteuid() == 0:
            shutil.chown(unfinished, int(user) if user.isdecimal() else user)
        unfinished.replace(pair)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    if len(text) > _MOST_BYTES:
        raise ValueError(f"{path} has more than {_MOST_BYTES} bytes; it is no certificate or key")
    if b"ENCRYPTED" in text:
        raise ValueError(f"the key in {path} has a passphrase, and nobody types it: take it off")
    return text


def _check(certificate: Path, key: Path, pair: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(pair, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"the key in {key} is not that of {certificate}") from error
        raise ValueError(
            f"no certificate and key in PEM in {certificate} and {key}: {error.reason or error}"
        ) from error


def main(arguments: list[str]) -> int:
    certificate, key, pair, *user = arguments
    try:
        put(Path(certificate), Path(key), Path(pair), *user)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
