"""Who the parts of a cluster are to each other: authorities, certificates, kubeconfigs."""

from __future__ import annotations

import datetime
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.machine import files

_DAYS = datetime.timedelta(days=7)
# Clocks of one machine agree; a certificate is good from a moment before it was made.
_EARLIER = datetime.timedelta(minutes=5)
_USAGES = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]


@dataclass(frozen=True)
class Authority:
    """Vouches for others; its own certificate is FOLDER/NAME.crt."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def made(cls, folder: Path, name: str) -> Authority:
        """Make a new one."""
        authority = cls(folder, name, ec.generate_private_key(ec.SECP256R1()))
        subject = _subject(name, ())
        basic = x509.BasicConstraints(ca=True, path_length=0)
        builder = authority._builder(subject, authority.key).add_extension(basic, critical=True)
        _write(folder, name, authority.key, builder.sign(authority.key, hashes.SHA256()))
        return authority

    @property
    def certificate(self) -> Path:
        """What others are told to trust."""
        return self.folder / f"{self.name}.crt"

    def issue(
        self, file: str, user: str, groups: Sequence[str] = (), names: Sequence[str] = ()
    ) -> None:
        """Make FOLDER/FILE.crt and .key for a user of Kubernetes, or a server with these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_subject(user, groups), key)
        builder = builder.add_extension(x509.ExtendedKeyUsage(_USAGES), critical=False)
        if names:
            alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        _write(self.folder, file, key, builder.sign(self.key, hashes.SHA256()))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_subject(self.name, ()))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _EARLIER)
            .not_valid_after(now + _DAYS)
        )


def signing_pair(folder: Path, name: str) -> None:
    """Make a pair of keys without a certificate: FOLDER/NAME.key and .pub."""
    key = ec.generate_private_key(ec.SECP256R1())
    _write_key(folder / f"{name}.key", key)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / f"{name}.pub").write_bytes(public)


def kubeconfig(folder: Path, user: str, server: str, authority: Path) -> Path:
    """Write how a user whose certificate is in FOLDER/USER.crt reaches a cluster."""
    pair = {"client-certificate": f"{folder}/{user}.crt", "client-key": f"{folder}/{user}.key"}
    cluster = {"server": server, "certificate-authority": str(authority)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": user, "user": pair}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": user}}],
    }
    path = folder / f"{user}.kubeconfig"
    files.write(path, json.dumps(document), files.PRIVATE)
    return path


def _subject(user: str, groups: Sequence[str]) -> x509.Name:
    of_groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*of_groups, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(
    folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    _write_key(folder / f"{name}.key", key)
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    # kube-controller-manager reads a signing key of this form alone.
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    files.write(path, text.decode(), files.PRIVATE)
