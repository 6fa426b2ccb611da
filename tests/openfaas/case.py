"""A case: one thing that is asked of a gateway, and the facts that come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.openfaas import facts
from tests.openfaas.door import Door
from tests.openfaas.facts import Facts


@dataclass(frozen=True)
class Case:
    """Its name says what is asked; the page and the recording know it by that."""

    name: str
    run: Callable[[Door], Facts]


@dataclass(frozen=True)
class Call:
    """One request whose answer says all.

    Attributes:
        login: whose; True: of whoever may.
    """

    name: str
    method: str
    target: str
    body: object = None
    headers: Mapping[str, str] | None = None
    login: tuple[str, str] | bool = True

    def __call__(self, door: Door) -> Facts:
        login = self.login if isinstance(self.login, tuple) else door.login if self.login else None
        answer = door.ask(self.method, self.target, self.body, self.headers, login=login)
        return facts.of_answer(answer)


def case(run: Callable[[Door], Facts]) -> Case:
    """Name a case after its function."""
    return Case(run.__name__.replace("_", " "), run)


def calls(*given: Call) -> tuple[Case, ...]:
    return tuple(Case(call.name, call) for call in given)
