"""A process that is started for one request, and ends with all that it has started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import IO

# Of util-linux: what is left when the watchdog is killed ends with it.
DIE_WITH_WATCHDOG = ("setpriv", "--pdeathsig", "KILL", "--")


class Child:
    """Its group is killed when it has ended: nothing of a request goes on after its answer."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stdin: asyncio.StreamWriter,
        stdout: Output,
        stderr: Output | None,
    ) -> None:
        self._stdin, self._outputs = stdin, [it for it in (stdout, stderr) if it]
        self.stdout = stdout.reader
        self.stderr = stderr.reader if stderr else None
        self.exited = asyncio.Event()
        self.status: int | None = None
        self._process = process
        self._exit = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(self._exit, self._end)

    @classmethod
    async def start(cls, command: Sequence[str], env: dict[str, str], is_combined: bool) -> Child:
        """Start it; raise OSError where that cannot be."""
        process = subprocess.Popen(
            [*DIE_WITH_WATCHDOG, *command],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if is_combined else subprocess.PIPE,
            process_group=0,
            bufsize=0,
        )
        stdin = await writer(process.stdin)
        stdout = await Output.of(process.stdout)
        stderr = None if is_combined else await Output.of(process.stderr)
        return cls(process, stdin, stdout, stderr)

    async def feed(self, pieces: AsyncIterator[bytes]) -> None:
        """Give it the body; a process need not read it."""
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                async for piece in pieces:
                    self._stdin.write(piece)
                    await self._stdin.drain()
        finally:
            self._stdin.close()

    async def end(self) -> None:
        """Kill what still runs, and let go of its pipes."""
        self.kill()
        await self.exited.wait()
        self._stdin.close()

    def close(self) -> None:
        for output in self._outputs:
            output.transport.close()

    def kill(self) -> None:
        if not self.exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _end(self) -> None:
        self.kill()  # the rest of its group, before its number can be another's
        asyncio.get_running_loop().remove_reader(self._exit)
        os.close(self._exit)
        self.status = self._process.wait()
        self.exited.set()


@dataclass(frozen=True)
class Output:
    """A pipe that a process writes to."""

    reader: asyncio.StreamReader
    transport: asyncio.BaseTransport

    @classmethod
    async def of(cls, pipe: IO[bytes] | None) -> Output:
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), pipe
        )
        return cls(stream, transport)


def ended_how(status: int) -> str:
    if status >= 0:
        return f"the process ended with status {status}"
    return f"the process was ended by {signal.Signals(-status).name}"


async def writer(pipe: IO[bytes] | None) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop)
