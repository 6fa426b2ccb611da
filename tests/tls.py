"""Certificates that are wrong in one way each, and what a client is told of them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Somebody who makes certificates, as good or bad as a test wants them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self.certificate, self._key = folder / "ca.pem", folder / "ca.key"
        openssl(
            *("req", "-x509", *_KEY, "-keyout", self._key, "-out", self.certificate),
            *("-subj", f"/CN=authority in {folder.name}", "-days", "2"),
        )

    def issue(self, *names: str, is_expired: bool = False, called: str = "server") -> Issued:
        """Make a certificate for names and addresses; of the past, if it is to have expired."""
        request, kept, key = (self._folder / f"{called}.{it}" for it in ("csr", "pem", "key"))
        (self._folder / "names").write_text(f"[made]\nsubjectAltName={','.join(names)}\n")
        openssl("req", "-new", *_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={called}")
        (self._folder / "index").write_text("")
        (self._folder / "config").write_text(
            f"[ca]\ndefault_ca=own\n[own]\ndatabase={self._folder}/index\nrand_serial=yes\n"
            f"new_certs_dir={self._folder}\ndefault_md=sha256\npolicy=any\nunique_subject=no\n"
            "[any]\ncommonName=supplied\n"
        )
        dates = ("20200101000000Z", "20200201000000Z")
        until = ("-startdate", dates[0], "-enddate", dates[1]) if is_expired else ("-days", "2")
        openssl(
            *("ca", "-batch", "-notext", "-config", self._folder / "config", *until),
            *("-cert", self.certificate, "-keyfile", self._key, "-in", request, "-out", kept),
            *("-extensions", "made", "-extfile", self._folder / "names"),
        )
        return Issued(kept, key)


def openssl(*words: str | Path, said: str = "") -> str:
    """Run openssl, which must succeed; all that it printed."""
    done = run(*words, said=said)
    assert done.returncode == 0, done.stdout
    return done.stdout


def run(*words: str | Path, said: str = "") -> subprocess.CompletedProcess[str]:
    """Run openssl; what it printed, errors included."""
    binary = shutil.which("openssl")
    assert binary, "openssl is missing; it is in the package of that name"
    return subprocess.run(
        [binary, *words],
        input=said,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


def handshake(port: int, *options: str, host: str = "127.0.0.1") -> str:
    """Shake hands as `openssl s_client` does; all that it tells, whether it succeeded or not."""
    return run("s_client", "-connect", f"{host}:{port}", *options).stdout
