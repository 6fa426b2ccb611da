"""An issuer is asked for its keys over a real connection: nobody else is, and within bounds."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ipaddress
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from oidc.issuer import MAX_DISCOVERY_BYTES, MAX_KEYS_BYTES, NoKeys
from oidc.issuer import Issuer as Client
from pipeline.oidc_settings import Settings
from tests.issuer import AUDIENCE, DISCOVERY, JWKS, Issuer, running_issuer
from tests.ports import free_ports


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


def fetched(issuer: Issuer, **settings: Any) -> set[str]:
    client = Client(Settings(**{"issuer": issuer.url, "audience": AUDIENCE, **settings}))
    return {key.kid for key in asyncio.run(client.fetch())}


def document(**told: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps(told).encode()


def test_keys_are_found_by_the_discovery_document(issuer: Issuer) -> None:
    assert fetched(issuer) == {"RS256-1", "PS256-1", "ES256-1", "EdDSA-1"}
    assert issuer.asked == [DISCOVERY, JWKS]


def test_keys_of_another_place_are_fetched_where_the_operator_says(issuer: Issuer) -> None:
    with running_issuer() as other:
        assert fetched(issuer, jwks_url=f"{other.url}{JWKS}")
        assert (issuer.asked, other.asked) == ([], [JWKS])


def test_a_document_that_leads_elsewhere_is_not_followed(issuer: Issuer) -> None:
    with running_issuer() as other:
        for place in (f"{other.url}{JWKS}", f"http://localhost:{issuer.port}{JWKS}", "/keys", 7):
            issuer.answers[DISCOVERY] = document(issuer=issuer.url, jwks_uri=place)
            with pytest.raises(NoKeys, match="leads elsewhere"):
                fetched(issuer)
        assert other.asked == []


@pytest.mark.parametrize("path", [DISCOVERY, JWKS])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(issuer: Issuer, path: str, status: int) -> None:
    with running_issuer() as other:
        issuer.answers[path] = (status, {"Location": f"{other.url}{path}"}, b"")
        with pytest.raises(NoKeys, match=f"answers {status}"):
            fetched(issuer)
        assert other.asked == []


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (DISCOVERY, document(issuer="https://another.example", jwks_uri="x")),
        (DISCOVERY, (200, {}, b"[]")),
        (DISCOVERY, (200, {}, b'{"issuer":' + b"[" * 50_000)),
        (DISCOVERY, (200, {}, b" " * (MAX_DISCOVERY_BYTES + 1))),
        (DISCOVERY, (200, {"Content-Length": "50"}, b"{}")),
        (JWKS, (200, {}, b" " * (MAX_KEYS_BYTES + 1))),
        (JWKS, (200, {"Content-Encoding": "gzip"}, gzip.compress(b"{}"))),
        (JWKS, (200, {}, b"\xff")),
        (JWKS, document(keys=[])),
        (JWKS, document(keys=[{}] * 101)),
        (JWKS, (404, {}, b"")),
        (JWKS, (200, {f"X-{number}": "a" * 8000 for number in range(40)}, b"{}")),
    ],
    ids=range(12),
)
def test_what_an_issuer_must_not_say_gives_no_keys(
    issuer: Issuer, path: str, answer: tuple[int, dict[str, str], bytes]
) -> None:
    issuer.answers[path] = answer

    with pytest.raises(NoKeys):
        fetched(issuer)


def test_an_issuer_that_says_nothing_is_given_up(issuer: Issuer) -> None:
    issuer.answers[JWKS] = 60.0

    with pytest.raises(NoKeys, match="took more than"):
        fetched(issuer)


def test_an_issuer_that_is_not_there_is_told_of() -> None:
    (port,) = free_ports(1)
    client = Client(Settings(issuer=f"http://127.0.0.1:{port}", audience=AUDIENCE))

    with pytest.raises(NoKeys, match="cannot be fetched"):
        asyncio.run(client.fetch())


class Authority:
    """Makes certificates, in files."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, folder.name)])
        self.file = folder / "authority.pem"
        self._folder = folder
        made = self._builder(self._name, self._key, days=1).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file.write_bytes(_pem(made.sign(self._key, hashes.SHA256())))

    def context(self, address: str = "127.0.0.1", days: int = 1) -> ssl.SSLContext:
        """What a server of this address has; of negative days it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        made = self._builder(name, key, days).add_extension(names, critical=False)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file = self._folder / "server.pem"
        file.write_bytes(private + _pem(made.sign(self._key, hashes.SHA256())))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _builder(self, name: x509.Name, key: Any, days: int) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=9))
            .not_valid_after(now + datetime.timedelta(days=days))
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_certificate_of_the_authority_that_is_named_is_taken(authority: Authority) -> None:
    with running_issuer(tls=authority.context()) as issuer:
        assert issuer.url.startswith("https://")
        assert fetched(issuer, ca_file=str(authority.file))


@pytest.mark.parametrize("fault", ["another authority", "no authority", "expired", "another name"])
def test_any_other_certificate_is_refused(authority: Authority, tmp_path: Path, fault: str) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    context = authority.context(
        "127.0.0.2" if fault == "another name" else "127.0.0.1", -1 if fault == "expired" else 1
    )
    trusted = {"another authority": str(other.file), "no authority": ""}

    with running_issuer(tls=context) as issuer:
        with pytest.raises(NoKeys, match="certificate"):
            fetched(issuer, ca_file=trusted.get(fault, str(authority.file)))
        assert issuer.asked == []
