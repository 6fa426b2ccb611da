"""Our clients of Kafka over TLS: a real broker with listeners of good and of bad certificates."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from imagectl.doctor import certificates
from imagectl.doctor.deployment import Deployment
from local.services import credentials
from local.services.servers import kafka
from local.services.settings import Stack
from pipeline.access.accounts import SETUP
from pipeline.errors import SettingsError
from pipeline.kafka.clients import Access, AdminClient
from pipeline.settings import Settings
from tests.ports import free_ports
from tests.stack import until
from tests.tls import Authority, handshake

_NAMES = ("DNS:localhost", "IP:127.0.0.1")
# What is wrong with the certificate of a listener, and what the doctor says of it.
_WRONG = {
    "expired": "certificate has expired",
    "name": "Hostname mismatch",
    "authority": "unable to get local issuer",
}
_SECONDS = 30.0


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Settings]]:
    """Settings of a client of each listener, by what is wrong there; `good` for nothing."""
    folder = tmp_path_factory.mktemp("kafka")
    own, controller, *ports = free_ports(2 + 1 + len(_WRONG))
    told = {"KAFKA_PORT": str(own), "KAFKA_CONTROLLER_PORT": str(controller)}
    stack = Stack.from_env({"STATE_DIR": str(folder / "state"), **told})
    credentials.make(stack)
    kafka.prepare(stack)
    authority = Authority(folder / "authority")
    issued = {
        "good": authority.issue(*_NAMES),
        "expired": authority.issue(*_NAMES, is_expired=True, called="expired"),
        "name": authority.issue("DNS:elsewhere.example", called="elsewhere"),
        "authority": Authority(folder / "unknown").issue(*_NAMES),
    }
    listeners = dict(zip(issued, ports, strict=True))
    for name, each in issued.items():
        pem = each.key.read_bytes() + each.certificate.read_bytes()
        (folder / f"{name}.pem").write_bytes(pem)
    _listen(stack.state_dir / "kafka.properties", folder, listeners)
    subprocess.run(kafka.format_command(stack), check=True, capture_output=True)
    with (folder / "kafka.log").open("ab") as log:
        broker = subprocess.Popen(kafka.command(stack), stdout=log, stderr=log)
    try:
        for port in ports:
            until(lambda port=port: "Cipher is TLS" in handshake(port))  # type: ignore[misc]
        yield {
            name: Settings(
                kafka_bootstrap_servers=f"localhost:{port}",
                kafka_security_protocol="SASL_SSL",
                services_ca_file=str(authority.certificate),
                secrets_dir=str(stack.secrets_dir),
                account=SETUP,
            )
            for name, port in listeners.items()
        }
    finally:
        broker.send_signal(signal.SIGTERM)
        broker.wait(60)


def _listen(properties: Path, folder: Path, listeners: dict[str, int]) -> None:
    """Add listeners with a certificate each to those that a local stack has."""
    more = {
        "listeners": [f"{name.upper()}://127.0.0.1:{port}" for name, port in listeners.items()],
        "advertised.listeners": [
            f"{name.upper()}://localhost:{port}" for name, port in listeners.items()
        ],
        "listener.security.protocol.map": [f"{name.upper()}:SASL_SSL" for name in listeners],
    }
    text = properties.read_text(encoding="utf-8")
    for key, added in more.items():
        line = re.compile(rf"^{re.escape(key)}=.*$", re.MULTILINE)
        text = line.sub(lambda found, added=added: ",".join([found[0], *added]), text)  # type: ignore[misc]
    for name in listeners:
        prefix = f"listener.name.{name}.ssl.keystore"
        text += f"{prefix}.type=PEM\n{prefix}.location={folder / name}.pem\n"
    properties.write_text(text, encoding="utf-8")


def test_a_good_certificate_lets_both_clients_in(brokers: dict[str, Settings]) -> None:
    good = brokers["good"]

    assert AdminClient(good).list_topics(timeout=_SECONDS).brokers
    from kafka import KafkaAdminClient  # at its first import it reads its version as one does not

    other = KafkaAdminClient(**Access(good).for_kafka_python())
    try:
        assert other.list_topics() is not None
    finally:
        other.close()


@pytest.mark.parametrize("kind", _WRONG)
def test_a_bad_certificate_is_refused_and_the_doctor_says_why(
    brokers: dict[str, Settings], kind: str
) -> None:
    settings = brokers[kind]

    with pytest.raises(KafkaException):
        AdminClient(settings).list_topics(timeout=3.0)

    (found,) = certificates.examine(_deployment(settings))
    assert found.state == "failed"
    assert "KAFKA_BOOTSTRAP_SERVERS" in found.found
    assert _WRONG[kind] in found.found
    assert "SERVICES_CA_FILE" in found.change


def test_another_authority_does_not_vouch_for_it(
    brokers: dict[str, Settings], tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other").certificate

    with pytest.raises(KafkaException):
        AdminClient(replace(brokers["good"], services_ca_file=str(other))).list_topics(timeout=3.0)


@pytest.mark.parametrize(
    ("setting", "text", "said"),
    [
        ("services_ca_file", "/nowhere/ca.pem", "SERVICES_CA_FILE='/nowhere/ca.pem'"),
        ("kafka_security_protocol", "TLS", "KAFKA_SECURITY_PROTOCOL='TLS': expected PLAINTEXT"),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    brokers: dict[str, Settings], setting: str, text: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        AdminClient(replace(brokers["good"], **{setting: text}))  # type: ignore[arg-type]


def _deployment(settings: Settings) -> Deployment:
    told = {
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "KAFKA_SECURITY_PROTOCOL": settings.kafka_security_protocol,
        "SERVICES_CA_FILE": settings.services_ca_file,
        "STATE_DIR": "/nowhere",
    }
    return Deployment(told, Path("stack.yml"))
