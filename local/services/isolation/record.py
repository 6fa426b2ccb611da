"""STATE_DIR/isolation.json: which users a stack's processes are, or why they are none."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from local.machine import files
from local.machine.users import User
from local.services.isolation import accounts, numbers
from local.services.settings import Stack


@dataclass(frozen=True)
class Isolation:
    """How a stack was started last.

    Attributes:
        first, last: its block of numbers; None: all of it runs as whoever started it.
        absent: why.
    """

    first: int | None = None
    last: int | None = None
    absent: str = ""

    def user(self, name: str) -> User | None:
        """The user of that name; None where there are none."""
        if self.first is None:
            return None
        others = tuple(self._number(each) for each in accounts.groups(name))
        return User(self._number(name), others)

    @classmethod
    def of(cls, first: int) -> Isolation:
        """With the users of a block."""
        return cls(first, first + numbers.BLOCK - 1)

    @property
    def functions(self) -> str:
        """The numbers of functions' users, as the provider is told them; empty for none."""
        if self.first is None:
            return ""
        return f"{self.first + accounts.FUNCTIONS_FROM}-{self.last}"

    def _number(self, name: str) -> int:
        assert self.first is not None
        return self.first + accounts.USERS.index(name)


def file(stack: Stack) -> Path:
    return stack.state_dir / "isolation.json"


def recorded(stack: Stack) -> Isolation | None:
    """What the last start wrote; None where it was one of an older version, or none."""
    try:
        return Isolation(**json.loads(file(stack).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write(stack: Stack, isolation: Isolation) -> None:
    files.write_json(file(stack), asdict(isolation))
