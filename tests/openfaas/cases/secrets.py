"""Secrets: made, listed, changed, removed; what is refused; what a function reads."""

from __future__ import annotations

import base64
from typing import Any

from tests.openfaas import facts
from tests.openfaas.case import Case, case
from tests.openfaas.door import Door
from tests.openfaas.facts import Facts

TOKEN = "token"


def listed(door: Door, name: str = TOKEN) -> Facts:
    """Tell how a secret stands in the list."""
    secrets = door.system("GET", "/secrets").json()
    found = [secret for secret in secrets if secret["name"] == name]
    return facts.of_fields(found[0], "listed ") if found else {"listed": "no"}


@case
def make_change_and_remove_a_secret(door: Door) -> Facts:
    made = door.system("POST", "/secrets", {"name": TOKEN, "value": "one"})
    there = listed(door)
    again = door.system("POST", "/secrets", {"name": TOKEN, "value": "two"})
    changed = door.system("PUT", "/secrets", {"name": TOKEN, "value": "three"})
    with door.deployed(door.guest, secrets=[TOKEN]):
        seen = door.ask("GET", f"/function/{door.guest}").json()["secrets"].get(TOKEN, "none")
    removed = door.system("DELETE", "/secrets", {"name": TOKEN})
    steps = {"made": made, "again": again, "changed": changed, "removed": removed}
    return {
        **{f"{step} {k}": v for step, it in steps.items() for k, v in facts.of_answer(it).items()},
        **there,
        "a function reads": seen,
        "listed afterwards": str("listed name" in listed(door)),
    }


@case
def a_secret_of_bytes(door: Door) -> Facts:
    raw = base64.b64encode("naïve".encode()).decode()
    door.system("POST", "/secrets", {"name": TOKEN, "value": "text", "rawValue": raw})
    try:
        with door.deployed(door.guest, secrets=[TOKEN]):
            seen = door.ask("GET", f"/function/{door.guest}").json()["secrets"].get(TOKEN, "none")
    finally:
        door.system("DELETE", "/secrets", {"name": TOKEN})
    return {"a function reads": seen}


@case
def remove_a_secret_in_use(door: Door) -> Facts:
    with door.secret(TOKEN, "x"), door.deployed(door.guest, secrets=[TOKEN]):
        answer = door.system("DELETE", "/secrets", {"name": TOKEN})
        is_there = "listed name" in listed(door)
    return facts.of_answer(answer) | {"there afterwards": str(is_there)}


def sent(name: str, method: str, body: dict[str, Any]) -> Case:
    """One request, and whether the secret that it names is there afterwards."""

    def run(door: Door) -> Facts:
        answer = door.system(method, "/secrets", body)
        is_there = "listed name" in listed(door, body.get("name", ""))
        door.system("DELETE", "/secrets", {"name": body.get("name", "")})
        return facts.of_answer(answer) | {"there afterwards": str(is_there)}

    return Case(name, run)


CASES = (
    make_change_and_remove_a_secret,
    a_secret_of_bytes,
    remove_a_secret_in_use,
    sent(
        "make a secret with its namespace",
        "POST",
        {"name": TOKEN, "value": "x", "namespace": "openfaas-fn"},
    ),
    sent("make a secret with a name in capitals", "POST", {"name": "Token", "value": "x"}),
    sent("make a secret with a slash in its name", "POST", {"name": "a/b", "value": "x"}),
    sent("make a secret without a name", "POST", {"value": "x"}),
    sent("make a secret without a value", "POST", {"name": TOKEN}),
    sent("make a secret of what is not base64", "POST", {"name": TOKEN, "rawValue": "not base64!"}),
    sent("make a secret of a number", "POST", {"name": TOKEN, "value": 1}),
    sent("make a secret of 2 MB", "POST", {"name": TOKEN, "value": "x" * 2_000_000}),
    sent("change a secret that is not there", "PUT", {"name": "absent", "value": "x"}),
    sent("remove a secret that is not there", "DELETE", {"name": "absent"}),
    sent("remove a secret without a name", "DELETE", {}),
)
