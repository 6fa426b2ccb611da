"""The accounts as Redis' file of users; of passwords it holds SHA-256 alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from pipeline.access.accounts import SETUP, Account
from pipeline.access.login import Login

# What a verb may do with keys, and by which commands.
_KEYS = {"get": "%R~", "put": "%W~", "remove": "%W~", "count": "~", "look": "%R~"}
_COMMANDS = {
    "get": ("+get", "+mget"),
    "put": ("+set",),
    # Of one that is still the own: by a script.
    "remove": ("+del", "+evalsha", "+script|load"),
    # By a script, which may do what its user may.
    "count": (
        *("+evalsha", "+script|load", "+multi", "+exec", "+set", "+del", "+expire"),
        *("+hget", "+hmget", "+hexists", "+hset", "+hincrby", "+hdel"),
        *("+zadd", "+zcard", "+zrem", "+zremrangebyscore"),
    ),
    "look": ("+hgetall", "+zcard"),
}
_PING = "ping"
_NOBODY = "user default off sanitize-payload resetkeys resetchannels -@all"


def rules(account: Account, login: Login) -> list[str]:
    """Write what `ACL SETUSER` is told of an account."""
    rights = [right.partition(" ")[::2] for right in account.redis if right != _PING]
    if unknown := [verb for verb, _ in rights if verb not in _KEYS]:
        raise ValueError(f"{account.name} in Redis: {unknown}: expected {', '.join(_KEYS)} or ping")
    keys = [f"{_KEYS[verb]}{pattern}" for verb, pattern in rights]
    commands = [command for verb, _ in rights for command in _COMMANDS[verb]]
    nothing = ("reset", "on", _hash(login))
    return [*nothing, *dict.fromkeys(keys), "+ping", *dict.fromkeys(commands)]


def user_file(accounts: Iterable[Account], logins: Mapping[str, Login]) -> str:
    """Write the file that Redis reads at its start.

    Args:
        logins: by account, set-up's among them.
    """
    setup = logins[SETUP]
    lines = [_NOBODY, f"user {setup.name} on {_hash(setup)} ~* &* +@all"]
    for account in accounts:
        login = logins[account.name]
        lines.append(f"user {login.name} {' '.join(rules(account, login))}")
    return "\n".join([*lines, ""])


def _hash(login: Login) -> str:
    return f"#{hashlib.sha256(login.password.encode()).hexdigest()}"
