"""Runs the provider: `python -m local.provider`, until SIGTERM."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import resource
import shutil
import signal
import sys
from contextlib import AsyncExitStack
from typing import IO

import aiohttp
from aiohttp import web

from local.machine import redirects
from local.provider.deployments.secrets import Secrets
from local.provider.deployments.users import Users
from local.provider.functions.functions import Functions
from local.provider.http.api import create_app
from local.provider.http.bodies import Bodies
from local.provider.http.fast_path import FastPath
from local.provider.http.proxy import Proxy
from local.provider.http.server import Runner
from local.provider.limits import memory
from local.provider.logs import JsonFormatter
from local.provider.refusal import Refused
from local.provider.replicas import leftovers, spawn, view
from local.provider.replicas.host import Host
from local.provider.requirements.layers import Layers
from local.provider.settings import Settings

logger = logging.getLogger("local.provider")

FILES = 8192  # connections, and the pipes of replicas


class CannotStart(Exception):
    """The message says what to mend."""


async def run(settings: Settings) -> None:
    secrets = Secrets(settings.secrets_dir, settings.replicas_dir)
    async with AsyncExitStack() as stack:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=["User-Agent", "Accept", "Accept-Encoding", "Content-Type"],
            trace_configs=[redirects.refused()],
        )
        limits = memory.find(settings.state_dir)
        stack.callback(limits.close)
        layers = Layers(settings.layers_dir, settings.layer_bytes, settings.layer_seconds)
        stack.push_async_callback(layers.close)
        opened = await stack.enter_async_context(session)
        users = Users(settings.users, settings.users_file)
        host = Host(settings, secrets, opened, layers, users, limits, view.find())
        functions = Functions(host)
        bodies = Bodies(settings.max_body_bytes)
        proxy = Proxy(functions, host)
        app = create_app(functions, host, proxy, bodies)
        runner = Runner(app, first=lambda server: FastPath(server, proxy, bodies))
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        functions.restore()
        logger.info("provider started", extra={"port": settings.port, "memory": limits.means})
        await stop_signal()
        logger.info("provider stopping")
        await site.stop()
        host.feed.close()
        host.stopping.set()
        await functions.stop()


async def stop_signal() -> None:
    stopped = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stopped.set)
    # A closed terminal. Handled, not ignored: what is ignored, the replicas would inherit.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
    await stopped.wait()


def lock_state(settings: Settings) -> IO[str]:
    """Keep a second provider from the same folders, for as long as the file is open."""
    lock = (settings.state_dir / "provider" / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CannotStart(f"another provider runs with STATE_DIR {settings.state_dir}") from error
    return lock


def allow_many_files() -> None:
    """Open as many files as are needed, where the machine lets anybody."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> int:
    output = logging.StreamHandler(sys.stdout)
    output.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[output])
    try:
        settings = Settings.from_env(os.environ)
        for tool in (spawn.DIE_WITH_PROVIDER[0], "prlimit"):
            if shutil.which(tool) is None:
                raise CannotStart(f"{tool} is missing; it is in the package util-linux")
        allow_many_files()
        settings.make_folders()
        with lock_state(settings):
            leftovers.clear(settings)
            asyncio.run(run(settings))
    except (CannotStart, Refused, OSError, ValueError) as error:
        logger.critical("provider cannot start", extra={"reason": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
