"""System calls that Python has no name for: a filter that asks about bind(), and its answers.

Source: seccomp_unotify(2), pidfd_getfd(2).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import socket
import struct
from dataclasses import dataclass

# By machine: its name for an audit (AUDIT_ARCH_*), and its numbers of bind and seccomp.
MACHINES = {"x86_64": (0xC000003E, 49, 317), "aarch64": (0xC00000B7, 200, 277)}
PIDFD_GETFD = 438  # on every machine
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SET_MODE_FILTER, NEW_LISTENER = 1, 1 << 3
ALLOW, ASK = 0x7FFF0000, 0x7FC00000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
RECEIVE, SEND = 0xC0502100, 0xC0182101
QUESTION = struct.Struct("=QIIiIQ6Q")
ANSWER = struct.Struct("=QqiI")
GO_ON = 1  # as though nobody had been asked
ADDRESS_BYTES = 128  # no socket address is longer

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Bind:
    """A call of bind() that waits for its answer."""

    id: int
    thread: int
    descriptor: int
    address_at: int
    address_length: int

    def address(self) -> bytes:
        with open(f"/proc/{self.thread}/mem", "rb", buffering=0) as memory:
            memory.seek(self.address_at)
            return memory.read(min(self.address_length, ADDRESS_BYTES))

    def socket(self) -> socket.socket:
        """Return the very socket, which the process has as well."""
        process = os.pidfd_open(_process_of(self.thread))
        try:
            return socket.socket(fileno=_call(PIDFD_GETFD, process, self.descriptor, 0))
        finally:
            os.close(process)


def die_with_parent(number: int) -> None:
    _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def ask_about_bind() -> int:
    """From here on this process and its children ask; return where the questions are read.

    Raises:
        OSError: the kernel, or whoever confines this process, does not let it.
    """
    machine = MACHINES.get(platform.machine())
    if machine is None:
        raise OSError(errno.ENOSYS, f"unknown machine {platform.machine()}")
    architecture, bind, seccomp = machine
    steps = [
        (LOAD_WORD, 0, 0, 4),
        (JUMP_IF_EQUAL, 0, 2, architecture),
        (LOAD_WORD, 0, 0, 0),
        (JUMP_IF_EQUAL, 1, 0, bind),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, ASK),
    ]
    filters = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(steps), ctypes.addressof(filters))
    )
    try:
        return _call(seccomp, SET_MODE_FILTER, NEW_LISTENER, ctypes.addressof(program))
    except PermissionError:  # without root's rights, for a process that can gain none
        _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return _call(seccomp, SET_MODE_FILTER, NEW_LISTENER, ctypes.addressof(program))


def next_bind(listener: int) -> Bind:
    """Wait for the next question; raise OSError where whoever asked has ended."""
    buffer = bytearray(QUESTION.size)
    fcntl.ioctl(listener, RECEIVE, buffer)
    number, thread, _, _, _, _, *arguments = QUESTION.unpack(buffer)
    return Bind(number, thread, _descriptor(arguments[0]), arguments[1], arguments[2])


def answer(listener: int, bind: Bind, error: int | None) -> None:
    """Let the call go on as it is (None), succeed without being made (0), or fail with an errno."""
    reply = ANSWER.pack(bind.id, 0, -(error or 0), GO_ON if error is None else 0)
    try:
        fcntl.ioctl(listener, SEND, bytearray(reply))
    except FileNotFoundError:  # whoever asked has ended
        return


def _call(number: int, *arguments: int) -> int:
    words = [ctypes.c_long(argument) for argument in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def _process_of(thread: int) -> int:
    with open(f"/proc/{thread}/status", encoding="utf-8", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Tgid:"))


def _descriptor(argument: int) -> int:
    return argument & 0x7FFFFFFF
