"""A login, in its file `NAME:PASSWORD`.

An account has two names at each service, its own with `-a` or `-b` behind it: while one login takes
the other's place, both are valid.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from pipeline.access.secret_file import SecretFile

_LETTERS = ("a", "b")


@dataclass(frozen=True)
class Login:
    """Name and password at one service."""

    name: str
    password: str

    @classmethod
    def parse(cls, text: str) -> Login:
        """Read a file's content.

        Raises:
            ValueError: it is no login.
        """
        name, colon, password = text.strip().partition(":")
        if not (name and colon and password):
            raise ValueError("expected NAME:PASSWORD")
        return cls(name, password)

    def __str__(self) -> str:
        return f"{self.name}:{self.password}"


LoginFile = SecretFile[Login]


def names_of(account: str) -> tuple[str, ...]:
    """The two names that an account may have at a service."""
    return tuple(f"{account}-{letter}" for letter in _LETTERS)


def new(account: str, before: Login | None = None) -> Login:
    """Make a login, with the other name than the one before."""
    first, second = names_of(account)
    name = second if before and before.name == first else first
    return Login(name, secrets.token_urlsafe(32))
