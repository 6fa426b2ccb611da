"""Redis as whoever may do everything there."""

from __future__ import annotations

import redis

from pipeline.access.accounts import REDIS
from tests.stack import Stack


def redis_of(stack: Stack) -> redis.Redis:
    """A client that its user closes."""
    login = stack.settings.secrets.login(REDIS).now()
    url = stack.settings.redis_url
    return redis.Redis.from_url(url, username=login.name, password=login.password)
