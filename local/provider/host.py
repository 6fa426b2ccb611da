"""What all functions of the provider share: settings, secrets, HTTP connections."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from local.provider.secrets import Secrets
from local.provider.settings import Settings


@dataclass(frozen=True)
class Host:
    settings: Settings
    secrets: Secrets
    session: aiohttp.ClientSession
