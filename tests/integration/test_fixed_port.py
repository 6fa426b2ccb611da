"""A process that listens on a port of its own choice listens on another, on loopback alone."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.watchdog import system_calls
from local.watchdog.fixed_port import FixedPort
from tests.ports import free_ports
from tests.provider import PATIENCE_SECONDS, eventually

BINDS = """
import socket, sys
family, kind, host, port, alone = sys.argv[1:]
one = socket.socket(getattr(socket, family), getattr(socket, kind))
if family == "AF_INET6":
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(alone))
try:
    one.bind((host, int(port)) if family != "AF_UNIX" else host)
except OSError as error:
    print("error", error.errno)
else:
    print(*one.getsockname()[:2]) if family != "AF_UNIX" else print(one.getsockname())
"""
FIXED = 5000


class Bound:
    def __init__(self, fixed: FixedPort, *arguments: object) -> None:
        command = [sys.executable, "-S", "-E", "-c", BINDS, *map(str, arguments)]
        process = fixed.start(command, dict(os.environ), subprocess.PIPE)
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
        self.said = said.decode().split()


@pytest.mark.parametrize(
    ("family", "host", "alone", "expected"),
    [
        ("AF_INET", "0.0.0.0", 0, "127.0.0.1"),
        ("AF_INET", "127.0.0.1", 0, "127.0.0.1"),
        ("AF_INET6", "::", 0, "::ffff:127.0.0.1"),
        ("AF_INET6", "::", 1, "::1"),
    ],
)
def test_fixed_port_becomes_a_free_one_on_loopback(
    family: str, host: str, alone: int, expected: str
) -> None:
    fixed = FixedPort(FIXED)
    said = Bound(fixed, family, "SOCK_STREAM", host, FIXED, alone).said

    assert (said[0], fixed.is_moved) == (expected, True)
    assert int(said[1]) != FIXED
    assert fixed.address == ("::1" if expected == "::1" else "127.0.0.1", int(said[1]))


def test_fixed_port_becomes_the_one_that_is_asked_for() -> None:
    (target,) = free_ports(1)

    said = Bound(FixedPort(FIXED, target), "AF_INET", "SOCK_STREAM", "0.0.0.0", FIXED, 0).said

    assert said == ["127.0.0.1", str(target)]


def test_another_port_stays_but_for_loopback_and_is_told_of() -> None:
    (other,) = free_ports(1)
    heard: list[tuple[str, int]] = []
    fixed = FixedPort(FIXED, on_bind=lambda host, port: heard.append((host, port)))

    said = Bound(fixed, "AF_INET", "SOCK_STREAM", "0.0.0.0", other, 0).said

    assert said == ["127.0.0.1", str(other)]
    assert fixed.address is None
    eventually(lambda: heard == [("0.0.0.0", other)])


@pytest.mark.parametrize(
    ("family", "kind", "host", "port"),
    [("AF_INET", "SOCK_STREAM", "0.0.0.0", 0), ("AF_INET", "SOCK_DGRAM", "0.0.0.0", FIXED)],
)
def test_what_is_no_server_is_left_alone(family: str, kind: str, host: str, port: int) -> None:
    said = Bound(FixedPort(FIXED), family, kind, host, port, 0).said

    assert said[0] == "0.0.0.0"


def test_sockets_that_are_no_network_s_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "socket"

    assert Bound(FixedPort(FIXED), "AF_UNIX", "SOCK_STREAM", path, 0, 0).said == [str(path)]


def test_taken_port_is_told_to_the_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        fixed = FixedPort(FIXED, taken.getsockname()[1])
        said = Bound(fixed, "AF_INET", "SOCK_STREAM", "0.0.0.0", FIXED, 0).said

    assert said == ["error", str(errno.EADDRINUSE)]


@pytest.fixture
def refusing_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(errno.ENOSYS, "no such call")

    monkeypatch.setattr(system_calls, "ask_about_bind", refuse)


@pytest.mark.usefixtures("refusing_kernel")
def test_where_the_kernel_refuses_the_process_has_its_own_port(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (port,) = free_ports(1)
    fixed = FixedPort(port)

    said = Bound(fixed, "AF_INET", "SOCK_STREAM", "127.0.0.1", port, 0).said

    assert said == ["127.0.0.1", str(port)]
    assert fixed.address == ("127.0.0.1", port)
    assert f"port {port} cannot be moved" in capsys.readouterr().out


@pytest.mark.usefixtures("refusing_kernel")
def test_where_the_kernel_refuses_a_stranger_s_port_is_not_taken_for_the_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        fixed = FixedPort(taken.getsockname()[1])

        with pytest.raises(OSError, match="is taken by another process"):
            fixed.start([sys.executable, "-c", "input()"], dict(os.environ))
