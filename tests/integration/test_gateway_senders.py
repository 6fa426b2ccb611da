"""Whose requests the real gateway counts together: an address, and with IPv6 its whole network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest

from tests.gateway import Answer, Connection, Gateway
from tests.provider import Provider
from tests.stack import until

AT_ONCE = 3
CONNECTIONS = 4
# Nginx takes it from whoever asks for the address that a request comes from: of tests alone.
BELIEVES = "set_real_ip_from 127.0.0.0/8; real_ip_header X-Test-Address;"


class Believing(Gateway):
    """A gateway that is told by each request where it comes from."""

    def prepare(self) -> None:
        super().prepare()
        path = self.stack.gateway_dir / "nginx.conf"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("\nhttp {\n", f"\nhttp {{\n{BELIEVES}\n", 1), encoding="utf-8")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    limits = {"WRONG_KEYS_A_SECOND": "1", "WRONG_KEYS_AT_ONCE": str(AT_ONCE)}
    limits |= {"GATEWAY_CONNECTIONS": str(CONNECTIONS)}
    running = Believing(Provider(tmp_path_factory.mktemp("gateway")), **limits)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def guess(gateway: Gateway, address: str) -> Answer:
    return gateway.ask("/api/v1/key", "GET", "X-Api-Key: guess", f"X-Test-Address: {address}")


def others(address: str) -> Iterator[str]:
    """Other addresses of the same /64, each in its shortest form."""
    first = ipaddress.IPv6Address(address)
    return (str(first + number * 0x1_0001_0001_0001) for number in range(1, 0xF000))


@pytest.mark.parametrize(
    "address",
    ["2001:db8:1:2::", "2001:db8::", "fd0a:a0a:a0a:a0a::", "2001:db8:0:ffff::", "2600:1f0a:d00::"],
)
def test_a_new_address_of_the_same_network_is_no_new_sender(gateway: Gateway, address: str) -> None:
    rest = others(address)

    until(lambda: guess(gateway, next(rest)).status == 429)

    neighbour = ipaddress.IPv6Address(address) + (1 << 64)
    assert guess(gateway, str(neighbour)).status == 401


def test_addresses_of_ipv4_are_senders_of_their_own_however_they_are_written(
    gateway: Gateway,
) -> None:
    found = {
        guess(gateway, f"{form}198.51.100.{number}").status
        for form in ("", "::ffff:")
        for number in range(4 * AT_ONCE)
    }

    assert found == {401}


def test_requests_under_way_are_counted_by_network_too(gateway: Gateway) -> None:
    rest = others("2001:db8:9:9::")
    held = []
    try:
        for _ in range(CONNECTIONS):
            held.append(Connection(gateway.port))
            lines = (f"X-Test-Address: {next(rest)}", "Content-Length: 9")
            held[-1].send(gateway.request("/api/v1/images", "POST", *lines) + b"a")

        until(lambda: asked(gateway, next(rest)) == 429)

        assert asked(gateway, "2001:db8:9:a::1") == 200
    finally:
        for connection in held:
            connection.close()


def asked(gateway: Gateway, address: str) -> int:
    return gateway.ask("/api/v1/key", "GET", f"X-Test-Address: {address}").status
