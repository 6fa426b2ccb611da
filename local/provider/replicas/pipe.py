"""The pipe that a replica writes its output to.

It is not asyncio's own: a process with one of those counts as ended only when every child that
inherited the pipe has ended too.
"""

from __future__ import annotations

import asyncio
import os


class Pipe:
    def __init__(
        self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport, write_end: int
    ) -> None:
        self.reader = reader
        self.write_end = write_end
        self._transport = transport

    @classmethod
    async def open(cls) -> Pipe:
        read_end, write_end = os.pipe()
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", 0)
        )
        return cls(reader, transport, write_end)

    def hand_over(self) -> None:
        """Close our copy of the end that the process has inherited, or never will."""
        os.close(self.write_end)

    def close(self) -> None:
        self._transport.close()
