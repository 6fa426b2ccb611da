"""Runs every case at one door; the mirror stands there meanwhile."""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.openfaas.case import Case
from tests.openfaas.cases.secrets import TOKEN
from tests.openfaas.door import MIRROR, Door
from tests.openfaas.facts import Facts
from tests.openfaas.recording import FAILED, Seen

# What an earlier run may have left, as it was killed, is not met.
_RUN = secrets.token_hex(3)


def see(door: Door, cases: Sequence[Case], say: Callable[[str], None] = print) -> Seen:
    """Return the facts of every case; of one that breaks, how it broke."""
    door.remove(MIRROR)
    door.system("DELETE", "/secrets", {"name": TOKEN})
    with door.deployed(MIRROR, labels={"com.openfaas.scale.max": "3"}):
        guests = (replace(door, guest=f"guest-{_RUN}-{number}") for number in range(len(cases)))
        return {
            case.name: _facts(guest, case, say) for guest, case in zip(guests, cases, strict=True)
        }


def _facts(door: Door, case: Case, say: Callable[[str], None]) -> Facts:
    try:
        return {
            key.replace(door.guest, "guest"): value.replace(door.guest, "guest")
            for key, value in case.run(door).items()
        }
    except Exception as error:
        say(f"{case.name}:\n{traceback.format_exc()}")
        return {FAILED: f"{type(error).__name__}: {error}"}
