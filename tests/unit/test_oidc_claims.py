"""What the claims of a verified token mean here."""

from __future__ import annotations

from typing import Any

import pytest

from oidc.claims import caller
from oidc.refusal import FORBIDDEN, Refused
from pipeline.oidc_settings import Settings

ISSUER = "https://login.example"


def told(claims: dict[str, Any], **settings: Any) -> str:
    settings = {"issuer": ISSUER, "audience": "pictures", **settings}
    return str(caller({"sub": "anna", **claims}, Settings(**settings)))


def test_a_caller_is_written_as_a_key_is() -> None:
    found = told({"tenant": "press", "scope": "read email upload"})

    tenant, name, *scopes = found.split(" ")
    assert (tenant, scopes) == ("press", ["upload", "read"])
    assert len(name) == 12
    assert int(name, 16) >= 0


def test_the_same_person_of_another_issuer_is_another() -> None:
    claims = {"tenant": "press", "scope": "read"}

    assert told(claims) == told(claims)
    assert told(claims) != told(claims, issuer="https://other.example")
    assert told(claims) != told({**claims, "sub": "bert"})


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"https://login.example/tenant": "press"}, "https://login.example/tenant"),
        ({"office": {"desk": {"name": "press"}}}, "office.desk.name"),
        ({"office.desk": "press", "office": {"desk": "other"}}, "office.desk"),
    ],
)
def test_a_claim_is_found_by_its_name_or_by_its_way(claims: dict[str, Any], name: str) -> None:
    assert told({**claims, "scope": "read"}, tenant_claim=name).startswith("press ")


def test_roles_of_a_list_deep_within_are_scopes() -> None:
    claims = {"tenant": "press", "realm_access": {"roles": ["offline", "pictures-admin"]}}

    found = told(
        claims, scope_claim="realm_access.roles", scopes={"pictures-admin": "admin", "x": "read"}
    )

    assert found.endswith(" admin")


def test_of_tenants_that_are_listed_no_other_comes_in() -> None:
    scope = {"scope": "read"}
    listed = {"/corp/press": "press"}

    assert told({"tenant": "/corp/press", **scope}, tenants=listed).startswith("press ")
    others: list[Any] = ["press", "/corp", "default", "", None, 7, [], {}]
    for other in others:
        with pytest.raises(Refused) as refused:
            told({"tenant": other, **scope}, tenants=listed)
        assert refused.value.status == FORBIDDEN


@pytest.mark.parametrize(
    "claims", [{"office": "x"}, {"office": []}, {"office": {"desk": None}}, {}]
)
def test_a_way_that_leads_nowhere_names_no_tenant(claims: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        told({**claims, "scope": "read"}, tenant_claim="office.desk.name")
