"""An authority of one's own and the certificates that it makes: openssl does the work.

A local stack has it in STATE_DIR/tls and not among the secrets: those a function may be given.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local.machine import files
from local.services.progress import StepFailed
from local.services.tls_settings import Tls

_AUTHORITY_DAYS = 3650
# Short, as nobody has to renew it: a key that got out is worth something for a season.
_DAYS = 90
RENEWED_BEFORE_DAYS = 30
_DAY_SECONDS = 24 * 60 * 60
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_OF_AUTHORITY = """\
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
"""
_OF_SERVER = """\
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName={names}
"""


def certificate(folder: Path) -> Path:
    """The authority's certificate: what clients are told to trust."""
    return folder / "ca.pem"


def issued(folder: Path, name: str) -> tuple[Path, Path]:
    """The files of a server's certificate and of its key."""
    return folder / f"{name}.pem", folder / f"{name}.key"


def own_names(tls: Tls) -> tuple[str, ...]:
    """What the gateway is called on this machine, and what its operator says beside that."""
    host = socket.gethostname().lower()
    known = ("localhost", "127.0.0.1", "::1", tls.reached_at, *tls.names)
    return tuple(dict.fromkeys((*known, *([host] if host.isascii() and host else ()))))


def have(folder: Path, name: str, names: Sequence[str]) -> bool:
    """Have a server's certificate for these names that is good for a while.

    Returns:
        Whether it was made now.

    Raises:
        StepFailed: openssl is missing, or says why not.
    """
    kept, key = issued(folder, name)
    noted = kept.with_suffix(".names")
    _have_authority(folder)
    told = "\n".join(names)
    if key.exists() and _reads(noted) == told and _is_good(folder, kept):
        return False
    _issue(folder, names, kept, key)
    files.write(noted, told)
    return True


def _have_authority(folder: Path) -> None:
    path, key = certificate(folder), folder / "ca.key"
    if path.exists() and key.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with _workshop(folder) as workshop:
        subject = f"/O=image-pipeline/CN=own authority {secrets.token_hex(4)}"
        made, made_key = workshop / "ca.pem", workshop / "ca.key"
        _openssl(
            *("req", "-x509", *_KEY, "-keyout", made_key, "-out", made, "-subj", subject),
            *("-days", str(_AUTHORITY_DAYS), "-config", _written(workshop, _OF_AUTHORITY)),
            *("-extensions", "made"),
        )
        _keep(made_key, key, files.PRIVATE)
        _keep(made, path, files.PUBLIC)


def _issue(folder: Path, names: Sequence[str], kept: Path, key: Path) -> None:
    with _workshop(folder) as workshop:
        request, made, made_key = (workshop / f"server.{it}" for it in ("csr", "pem", "key"))
        told = _written(workshop, _OF_SERVER.format(names=",".join(map(_alternative, names))))
        subject = f"/O=image-pipeline/CN={kept.stem}"
        _openssl(
            *("req", "-new", *_KEY, "-keyout", made_key, "-out", request),
            *("-subj", subject, "-config", told),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-out", made, "-days", str(_DAYS)),
            *("-CA", certificate(folder), "-CAkey", folder / "ca.key"),
            *("-set_serial", f"0x{secrets.token_hex(16)}", "-extfile", told, "-extensions", "made"),
        )
        _keep(made_key, key, files.PRIVATE)
        _keep(made, kept, files.PUBLIC)


def _is_good(folder: Path, path: Path) -> bool:
    """Whether it is of this authority, and need not be renewed yet."""
    seconds = str(RENEWED_BEFORE_DAYS * _DAY_SECONDS)
    asked = (
        ("x509", "-in", path, "-noout", "-checkend", seconds),
        ("verify", "-partial_chain", "-trusted", certificate(folder), path),
    )
    return path.exists() and all(_run(*words).returncode == 0 for words in asked)


def _alternative(name: str) -> str:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return f"DNS:{name}"
    return f"IP:{name}"


def _written(workshop: Path, extensions: str) -> Path:
    path = workshop / "extensions.cnf"
    path.write_text(f"[req]\ndistinguished_name=asked\n[asked]\n[made]\n{extensions}")
    return path


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """A folder for what is not finished, from which a file is moved in one step."""
    with tempfile.TemporaryDirectory(prefix=".making.", dir=folder) as made:
        yield Path(made)


def _reads(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _keep(made: Path, path: Path, mode: int) -> None:
    made.chmod(mode)
    made.replace(path)


def _openssl(*words: str | Path) -> None:
    done = _run(*words)
    if done.returncode:
        raise StepFailed(f"openssl {words[0]}: {done.stderr.strip()[-500:]}")


def _run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([_binary(), *words], capture_output=True, text=True, timeout=60)


def _binary() -> str:
    found = shutil.which("openssl", path=f"{os.environ.get('PATH', os.defpath)}:/usr/bin")
    if found is None:
        raise StepFailed("openssl is not installed (Debian's openssl), and TLS=1 needs it")
    return found
