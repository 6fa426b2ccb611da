"""What all functions share: settings, secrets, logs, limits, packages, HTTP connections."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import aiohttp

from local.provider.deployments.secrets import Secrets
from local.provider.deployments.users import Users
from local.provider.limits.memory import Memory, Rlimit
from local.provider.replicas.replica_log import Feed
from local.provider.replicas.view import NoView, View
from local.provider.requirements.layers import Layers
from local.provider.settings import Settings


@dataclass(frozen=True)
class Host:
    """`stopping` is set when the provider is told to end: what would last for ever ends then."""

    settings: Settings
    secrets: Secrets
    session: aiohttp.ClientSession
    layers: Layers
    users: Users
    memory: Memory = field(default_factory=Rlimit)
    view: View | NoView = field(default_factory=NoView)
    feed: Feed = field(default_factory=Feed)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
