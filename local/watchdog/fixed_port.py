"""Starts a process that listens on a port of its own choice, and has it listen on another.

Its bind() is answered by us: on 127.0.0.1, and on a free port instead of the one it always takes.
So replicas of it run side by side, none is reached from outside, and it keeps the network.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import select
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import IO

from local.watchdog import system_calls
from local.watchdog.system_calls import Bind

FAMILIES = {int(socket.AF_INET): (4, 4), int(socket.AF_INET6): (8, 16)}  # where the host is
MAPPED_LOOPBACK = "::ffff:127.0.0.1"  # an IPv6 socket that takes IPv4 as well
NOBODY = b"-"


class FixedPort:
    """One process, and where it listens.

    fixed: the port that it takes. target: the port that it is to have, 0 for any.
    on_bind: told, in another thread, of the host and port that it asked for.
    """

    def __init__(
        self, fixed: int, target: int = 0, on_bind: Callable[[str, int], None] | None = None
    ) -> None:
        self.fixed = fixed
        self.is_moved = False  # whether the kernel lets us
        self._address = ("127.0.0.1", target)
        self._on_bind = on_bind or (lambda host, port: None)

    @property
    def address(self) -> tuple[str, int] | None:
        """Where the process listens, or will: None until it has said so."""
        if not self.is_moved:
            return ("127.0.0.1", self.fixed)
        return self._address if self._address[1] else None

    def start(
        self,
        command: Sequence[str],
        env: dict[str, str],
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start it, in a process group of its own; call this before any thread is started."""
        is_needed = not self._address[1]  # it must be had, where it cannot be moved
        is_taken = is_needed and not self._is_free()
        ours, theirs = socket.socketpair()

        def before_it_runs() -> None:
            system_calls.die_with_parent(signal.SIGKILL)
            try:
                socket.send_fds(theirs, [NOBODY], [system_calls.ask_about_bind()])
            except OSError as error:
                theirs.send(str(error).encode())

        with ours, theirs:
            process = subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                process_group=0,
                preexec_fn=before_it_runs,
            )
            said, descriptors, _, _ = socket.recv_fds(ours, 200, 1)
        if descriptors:
            self.is_moved = True
            name = "bind"
            threading.Thread(
                target=self._serve, args=(descriptors[0],), name=name, daemon=True
            ).start()
            return process
        print(f"port {self.fixed} cannot be moved: {said.decode()}", flush=True)
        if is_taken:  # what answers there is another's
            process.kill()
            process.wait()
            raise OSError(f"port {self.fixed} is taken by another process")
        return process

    def _is_free(self) -> bool:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", self.fixed))
            except OSError:
                return False
        return True

    def _serve(self, listener: int) -> None:
        """Answer every bind() until no process is left that could ask."""
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        while True:
            events = poll.poll()[0][1]
            if not events & select.POLLIN:
                os.close(listener)
                return
            with contextlib.suppress(OSError):  # whoever asked has ended
                bind = system_calls.next_bind(listener)
                system_calls.answer(listener, bind, self._bind(bind))

    def _bind(self, bind: Bind) -> int | None:
        """Bind the socket where it is to be; None for one that is no business of ours."""
        try:
            host, port = read_address(bind.address())
            if not port:
                return None
            with bind.socket() as one:
                if one.type != socket.SOCK_STREAM:
                    return None
                return self._bind_socket(one, host, port)
        except (OSError, ValueError, StopIteration):
            return None

    def _bind_socket(self, one: socket.socket, host: str, port: int) -> int:
        is_fixed = port == self.fixed
        wanted = self._address[1] if is_fixed else port
        try:
            one.bind((loopback(one), wanted))
        except OSError as error:
            return error.errno or 1
        own = one.getsockname()
        if is_fixed and not self._address[1]:
            self._address = ("::1" if own[0] == "::1" else "127.0.0.1", own[1])
        self._on_bind(host, port)
        return 0


def read_address(raw: bytes) -> tuple[str, int]:
    """Return host and port; port 0 for an address of another family."""
    (family,) = struct.unpack_from("=H", raw)
    if family not in FAMILIES:
        return "", 0
    start, length = FAMILIES[family]
    (port,) = struct.unpack_from("!H", raw, 2)
    return str(ipaddress.ip_address(raw[start : start + length])), port


def loopback(one: socket.socket) -> str:
    if one.family == socket.AF_INET:
        return "127.0.0.1"
    is_alone = one.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    return "::1" if is_alone else MAPPED_LOOPBACK
