"""Runs a watchdog until SIGTERM: `__main__.py --mode MODE … -- COMMAND…`, run as a file.

So whatever the function has put before Python's path is for its own process alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from local.watchdog import log
from local.watchdog.forks import Forks
from local.watchdog.server import Mode, Watchdog
from local.watchdog.settings import Settings, WrongSettings, read
from local.watchdog.upstream import Upstream


async def run(settings: Settings) -> int:
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    mode: Mode = Upstream(settings) if settings.mode == "http" else Forks(settings)
    watchdog = Watchdog(settings, mode)
    server = await watchdog.listen()
    await mode.start()
    opening = asyncio.create_task(open_when_ready(watchdog, mode))
    stopping = asyncio.create_task(told_to_stop.wait())
    ending = asyncio.create_task(mode.ended())
    done, _ = await asyncio.wait({stopping, ending}, return_when=asyncio.FIRST_COMPLETED)
    if stopping in done:
        await watchdog.drain()
    server.close()
    opening.cancel()
    await mode.stop()
    if ending in done:
        log.say(ending.result())
        return 1
    ending.cancel()
    return 0


async def open_when_ready(watchdog: Watchdog, mode: Mode) -> None:
    await mode.until_ready()
    watchdog.open()


def main() -> int:
    try:
        settings = read(sys.argv[1:], os.environ)
        return asyncio.run(run(settings))
    except (WrongSettings, OSError) as error:
        log.say(f"the watchdog cannot start: {error}")
        return 1


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
