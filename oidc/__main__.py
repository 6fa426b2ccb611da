"""Runs the verifier of bearer tokens: `python -m oidc`, until SIGTERM; --check only looks."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from aiohttp import web

from oidc.issuer import Issuer
from oidc.key_cache import KeyCache
from oidc.verifier import Verifier
from pipeline import telemetry
from pipeline.oidc_settings import Settings

# A header line as long as Nginx takes one, with its name.
_LINE_BYTES = 16_384


async def run(settings: Settings, issuer: Issuer) -> None:
    """Serve until SIGTERM."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    cache = KeyCache(issuer.fetch, settings.keys_seconds)
    application = Verifier(settings, cache).application()
    runner = web.AppRunner(
        application, access_log=None, max_line_size=_LINE_BYTES, max_field_size=_LINE_BYTES
    )
    await runner.setup()
    await web.TCPSite(runner, settings.host, settings.port).start()
    await cache.renew()
    await stopped.wait()
    await runner.cleanup()


def main(arguments: list[str]) -> None:
    """Read the environment, and say what is wrong with it."""
    telemetry.configure("token-verifier", os.environ.get("LOG_LEVEL") or "INFO")
    try:
        settings = Settings.from_env(os.environ)
        issuer = Issuer(settings)
    except ValueError as error:
        sys.exit(f"the verifier of bearer tokens cannot start: {error}")
    except OSError as error:
        sys.exit(f"the verifier of bearer tokens cannot start: OIDC_CA_FILE: {error}")
    if arguments != ["--check"]:
        asyncio.run(run(settings, issuer))


if __name__ == "__main__":
    main(sys.argv[1:])
