"""Redis: the cache, its command and users. Bounded, without a file: no answer is there alone."""

from __future__ import annotations

from pathlib import Path

from local.services import credentials
from local.services.fetch import debian
from local.services.settings import Stack


def prepare(stack: Stack) -> None:
    """Debian's binary is server and checker in one, and does what it is called by."""
    stack.data_dir("redis").mkdir(parents=True, exist_ok=True)
    credentials.write_redis_users(stack.secrets_dir)
    link = _server(stack)
    link.unlink(missing_ok=True)
    link.symlink_to(debian.redis_server())


def command(stack: Stack) -> list[str]:
    return [
        str(_server(stack)),
        *("--bind", "127.0.0.1", "--port", str(stack.listening.redis)),
        *("--dir", str(stack.data_dir("redis")), "--save", "", "--appendonly", "no"),
        *("--maxmemory", "8mb", "--maxmemory-policy", "volatile-lru"),
        *("--hz", "2"),
        *("--aclfile", str(stack.secrets_dir / credentials.REDIS_USERS)),
    ]


def _server(stack: Stack) -> Path:
    return stack.data_dir("redis") / "redis-server"
