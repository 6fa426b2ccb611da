"""TLS at the gateway: a real Nginx, and what openssl, curl and Python's client see of it."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagectl.doctor import certificates
from imagectl.doctor.deployment import Deployment
from local.machine import files
from local.services import credentials
from local.services.certificates import authority, keeper
from local.services.progress import StepFailed
from local.services.servers import nginx
from local.services.settings import Stack
from tests.gateway import Gateway, exchange, running_gateway
from tests.stack import until
from tests.tls import Authority, Issued, handshake, openssl

# Chunks of a picture are not what this is about: any body that a function mirrors.
_BODY = b"picture" * 20_000


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(folder, "mirror", TLS="1", TLS_NAMES="photos.example") as running:
        yield running


def ca(gateway: Gateway) -> Path:
    return authority.certificate(gateway.stack.tls_dir)


def curl(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["curl", "-sS", "-i", "--max-time", "60", *words], capture_output=True, text=True
    )


def context(gateway: Gateway) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca(gateway)))


def connection(gateway: Gateway, host: str = "127.0.0.1") -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection(host, gateway.port, timeout=60, context=context(gateway))


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_curl_trusts_it_by_its_authority(gateway: Gateway, name: str) -> None:
    done = curl("--cacert", ca(gateway), f"https://{name}:{gateway.port}/healthz")

    assert '"status":"ok"' in done.stdout, done.stderr


def test_curl_does_not_trust_it_without(gateway: Gateway, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other").certificate

    for trusted in ((), ("--cacert", other)):
        done = curl(*trusted, f"https://127.0.0.1:{gateway.port}/healthz")

        assert done.returncode == 60, done
        assert not done.stdout


@pytest.mark.parametrize("name", ["photos.example", "localhost", "127.0.0.1", "::1"])
def test_the_chain_is_whole_for_each_name(gateway: Gateway, name: str) -> None:
    asked = ("-verify_ip" if name[0] in ":1" else "-verify_hostname", name)
    told = handshake(gateway.port, "-CAfile", str(ca(gateway)), *asked)

    assert "Verify return code: 0 (ok)" in told, told


def test_another_name_is_not_vouched_for(gateway: Gateway) -> None:
    asked = ("-CAfile", str(ca(gateway)), "-verify_hostname", "elsewhere.example")

    assert "hostname mismatch" in handshake(gateway.port, *asked)


@pytest.mark.parametrize(
    ("option", "is_spoken"),
    [("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)],
)
def test_versions_before_1_2_are_refused(gateway: Gateway, option: str, is_spoken: bool) -> None:
    # A client of today speaks the old ones only at the lowest level of security.
    told = handshake(gateway.port, option, "-cipher", "ALL:@SECLEVEL=0")

    assert ("Cipher is (NONE)" not in told) is is_spoken, told


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "eNULL"])
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(
    gateway: Gateway, cipher: str
) -> None:
    told = handshake(gateway.port, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")

    assert "Cipher is (NONE)" in told, told


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_taken_up_again(gateway: Gateway, version: ssl.TLSVersion) -> None:
    trust = context(gateway)
    trust.minimum_version = trust.maximum_version = version

    def ask(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool | None]:
        plain = socket.create_connection(("127.0.0.1", gateway.port), 60)
        with (
            plain,
            trust.wrap_socket(plain, server_hostname="localhost", session=session) as asking,
        ):
            asking.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while asking.recv(4096):
                pass  # what 1.3 says of the session comes before the answer
            return asking.session, asking.session_reused

    kept, was_known = ask(None)

    # Nginx' workers share them.
    assert not was_known
    assert ask(kept)[1]


def test_a_call_goes_through_and_the_function_is_told_how_it_came(gateway: Gateway) -> None:
    asking = connection(gateway)
    headers = {"X-Api-Key": gateway.key, "X-Forwarded-Proto": "gopher"}
    asking.request("POST", "/function/mirror", _BODY, headers)
    answer = asking.getresponse()
    seen = json.loads(answer.read())
    asking.close()

    told = [value for name, value in seen["headers"] if name.lower() == "x-forwarded-proto"]
    assert (answer.status, seen["size"], told) == (200, len(_BODY), ["https"])


def test_http_in_clear_is_told_so_at_the_door(gateway: Gateway) -> None:
    answer = exchange(gateway.port, gateway.request("/api/v1/key"))

    assert (answer.status, answer.code) == (400, "https-required")
    assert gateway.key.encode() not in answer.body


@pytest.mark.parametrize(
    ("host", "leads_to"),
    [
        ("localhost:80", "localhost"),
        ("photos.example", "photos.example"),
        ("[::1]:80", "[::1]"),
        ("evil.example", "localhost"),
    ],
)
def test_the_other_port_leads_to_https(gateway: Gateway, host: str, leads_to: str) -> None:
    request = f"GET /page/a%20b?c=d HTTP/1.1\r\nHost: {host}\r\n\r\n"

    answer = exchange(gateway.http_port, request.encode())

    assert answer.status == 308
    assert answer.headers["location"] == f"https://{leads_to}:{gateway.port}/page/a%20b?c=d"


@pytest.mark.parametrize(
    ("method", "line"),
    [
        ("POST", "Content-Length: 0"),
        ("PUT", "Content-Length: 0"),
        ("GET", "X-Api-Key: {key}"),
        ("GET", "Authorization: Basic YWRtaW46"),
        ("HEAD", "Cookie: a=b"),
    ],
)
def test_what_was_sent_in_clear_is_not_led_on(gateway: Gateway, method: str, line: str) -> None:
    line = line.replace("{key}", gateway.key)
    request = f"{method} /api/v1/images HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n".encode()

    answer = exchange(gateway.http_port, request, method)

    assert answer.status == 400
    assert "location" not in answer.headers
    assert method == "HEAD" or answer.code == "https-required"


@pytest.mark.parametrize(
    "request_line", ["GET /../x HTTP/1.1", "GET // HTTP/1.1", "BREW /x HTTP/1.1", "GET"]
)
def test_what_cannot_be_read_gets_a_problem_at_the_other_port(
    gateway: Gateway, request_line: str
) -> None:
    answer = exchange(gateway.http_port, f"{request_line}\r\nHost: localhost\r\n\r\n".encode())

    assert (answer.status, answer.code) == (400, "https-required")


def test_the_other_port_says_that_the_gateway_lives(gateway: Gateway) -> None:
    answer = exchange(gateway.http_port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")


def test_browsers_are_not_told_to_keep_to_https_by_a_certificate_of_our_own(
    gateway: Gateway,
) -> None:
    done = curl("--cacert", ca(gateway), f"https://localhost:{gateway.port}/")

    assert "HTTP/1.1 200" in done.stdout
    assert "strict-transport-security" not in done.stdout.lower()


def test_keys_of_certificates_are_for_their_owner_alone(gateway: Gateway) -> None:
    folder = gateway.stack.tls_dir

    kept = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert kept["ca.key"] == kept["gateway.key"] == files.PRIVATE
    assert kept["ca.pem"] == kept["gateway.pem"] == files.PUBLIC
    assert keeper.pair(gateway.stack).stat().st_mode & 0o777 == 0o400
    # What a function may be given lies elsewhere.
    assert gateway.stack.secrets_dir not in folder.parents


class _Load:
    """Clients that go on sending over connections that they keep, and count what failed."""

    def __init__(self, gateway: Gateway, clients: int) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(gateway, number)) for number in range(clients)
        ]

    def __enter__(self) -> _Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, gateway: Gateway, number: int) -> None:
        asking = connection(gateway)
        while not self._stop.is_set():
            try:
                asking.request("POST", "/function/mirror", _BODY, {"X-Api-Key": gateway.key})
                status = asking.getresponse().read() and 200
            except (OSError, http.client.HTTPException) as error:
                status = 0
                self.failed.append(repr(error))
            self.answered += status == 200
            if number % 2:  # these shake hands each time
                asking.close()
        asking.close()


def shown(port: int) -> str:
    """The serial number of the certificate that the next handshake shows."""
    return openssl(
        "x509", "-noout", "-serial", said=ssl.get_server_certificate(("127.0.0.1", port))
    )


def test_certificates_change_under_load_and_no_request_fails(gateway: Gateway) -> None:
    stack = gateway.stack
    kept, key = authority.issued(stack.tls_dir, "gateway")
    looking = keeper.Keeper(stack)
    looking.look()

    with _Load(gateway, clients=4) as load:
        until(lambda: load.answered > 20)
        serials = {shown(gateway.port)}
        for _ in range(5):
            kept.unlink()  # as one that has expired
            assert authority.have(stack.tls_dir, "gateway", authority.own_names(stack.tls))
            looking.look()
            serials.add(shown(gateway.port))
            seen = load.answered
            until(lambda seen=seen: load.answered > seen + 10)  # type: ignore[misc]

    assert load.failed == []
    assert len(serials) == 6
    assert key.stat().st_mode & 0o777 == files.PRIVATE


def test_its_own_certificate_is_renewed_before_it_expires(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = authority.own_names(gateway.stack.tls)
    assert not authority.have(gateway.stack.tls_dir, "gateway", names)
    monkeypatch.setattr(authority, "RENEWED_BEFORE_DAYS", 91)
    before = shown(gateway.port)

    keeper.Keeper(gateway.stack).look()

    assert shown(gateway.port) != before


def test_another_name_makes_another_certificate(gateway: Gateway) -> None:
    names = authority.own_names(gateway.stack.tls)

    assert authority.have(gateway.stack.tls_dir, "gateway", [*names, "pictures.example"])
    keeper.put(gateway.stack)

    asked = ("-CAfile", str(ca(gateway)), "-verify_hostname", "pictures.example")
    assert "Verify return code: 0 (ok)" in handshake(gateway.port, *asked)


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "trusted")


class Operated:
    """A gateway with a certificate of the operator's, which is replaced while it runs."""

    def __init__(self, gateway: Gateway, place: Issued) -> None:
        self.gateway = gateway
        self._place = place
        self._keeper = keeper.Keeper(gateway.stack)

    def replace(self, issued: Issued, key: Path | None = None) -> None:
        """Put another one there, as tools do: one file after the other."""
        self._place.certificate.write_bytes(issued.certificate.read_bytes())
        self._place.key.write_bytes((key or issued.key).read_bytes())
        self._keeper.look()

    @property
    def said(self) -> str:
        return keeper.message(self.gateway.stack)


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory, trusted: Authority) -> Iterator[Operated]:
    folder = tmp_path_factory.mktemp("operated")
    good = trusted.issue("DNS:localhost", "IP:127.0.0.1")
    place = Issued(folder / "certificate.pem", folder / "key.pem")
    place.certificate.write_bytes(good.certificate.read_bytes())
    place.key.write_bytes(good.key.read_bytes())
    told = {"TLS_CERTIFICATE": str(place.certificate), "TLS_KEY": str(place.key)}
    with running_gateway(folder / "stack", TLS="1", TLS_NAMES="localhost", **told) as running:
        yield Operated(running, place)


def examined(operated: Operated, authority: Path) -> str:
    """What the doctor finds of the certificate."""
    url = f"https://localhost:{operated.gateway.port}"
    given = {"GATEWAY_URL": url, "TLS_CA_FILE": str(authority)}
    (found,) = certificates.examine(Deployment(given, Path("stack.yml")))
    return f"{found.state}: {found.found}"


def test_a_certificate_of_the_operators_is_shown(operated: Operated, trusted: Authority) -> None:
    operated.replace(trusted.issue("DNS:localhost"))

    done = curl("--cacert", trusted.certificate, f"https://localhost:{operated.gateway.port}/")

    assert "HTTP/1.1 200" in done.stdout, done.stderr
    assert "strict-transport-security: max-age=31536000" in done.stdout.lower()
    assert "warning: " in examined(operated, trusted.certificate)  # it is good for two days
    in_clear = exchange(operated.gateway.http_port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert in_clear.status == 308
    assert "strict-transport-security" not in in_clear.headers


def test_an_expired_certificate_is_found_out(operated: Operated, trusted: Authority) -> None:
    operated.replace(trusted.issue("DNS:localhost", is_expired=True))

    done = curl("--cacert", trusted.certificate, f"https://localhost:{operated.gateway.port}/")

    assert "expired" in done.stderr
    assert examined(operated, trusted.certificate).startswith("failed: ")
    assert "expired" in examined(operated, trusted.certificate)


def test_a_certificate_for_another_name_is_found_out(
    operated: Operated, trusted: Authority
) -> None:
    operated.replace(trusted.issue("DNS:elsewhere.example"))

    done = curl("--cacert", trusted.certificate, f"https://localhost:{operated.gateway.port}/")

    assert done.returncode == 60, done
    assert "Hostname mismatch" in examined(operated, trusted.certificate)


def test_a_certificate_of_an_unknown_authority_is_found_out(
    operated: Operated, trusted: Authority, tmp_path: Path
) -> None:
    operated.replace(Authority(tmp_path / "unknown").issue("DNS:localhost"))

    assert "unable to get local issuer" in examined(operated, trusted.certificate)


def test_what_cannot_be_used_is_said_and_not_shown(operated: Operated, trusted: Authority) -> None:
    good, other = trusted.issue("DNS:localhost"), trusted.issue("DNS:localhost", called="other")
    operated.replace(good)
    before = shown(operated.gateway.port)

    operated.replace(other, key=good.key)

    assert "is not that of" in operated.said
    assert shown(operated.gateway.port) == before
    operated.replace(other)
    assert operated.said == ""
    assert shown(operated.gateway.port) != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no certificate and key in PEM"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "no certificate and key",
        ),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "passphrase"),
        ("x" * 200_001, "more than 200000 bytes"),
    ],
)
def test_a_start_with_a_bad_certificate_names_it(tmp_path: Path, text: str, said: str) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text(text)
    told = {"TLS": "1", "TLS_NAMES": "a.example", "TLS_CERTIFICATE": str(bad), "TLS_KEY": str(bad)}
    stack = Stack.from_env({"STATE_DIR": str(tmp_path / "state"), **told})

    with pytest.raises(StepFailed, match="TLS_CERTIFICATE, TLS_KEY") as refused:
        keeper.refresh(stack)

    assert said in str(refused.value)
    assert str(bad) in str(refused.value)


def test_what_tls_left_behind_is_taken_away_without_it(tmp_path: Path) -> None:
    for switch in ("1", "0"):
        stack = Stack.from_env({"STATE_DIR": str(tmp_path), "TLS": switch})
        credentials.make(stack)
        nginx.prepare(stack)

    assert not (stack.gateway_dir / "servers" / "plain.conf").exists()
    assert " ssl" not in (stack.gateway_dir / "nginx.conf").read_text()
