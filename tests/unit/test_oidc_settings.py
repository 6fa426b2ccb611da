"""What the verifier of bearer tokens may be told."""

from __future__ import annotations

import re

import pytest

from pipeline.oidc_settings import Settings

GOOD = {"OIDC_ISSUER": "https://login.example/realms/a", "OIDC_AUDIENCE": "pictures"}


def test_an_issuer_and_an_audience_are_enough() -> None:
    settings = Settings.from_env({**GOOD, "OIDC_SCOPES": "", "OIDC_TENANTS": ""})

    assert (settings.issuer, settings.audience) == tuple(GOOD.values())
    assert settings.scopes == {"upload": "upload", "read": "read", "admin": "admin"}
    assert not settings.tenants


def test_claims_are_translated() -> None:
    told = {"OIDC_TENANTS": "a=b=press, /corp=desk-2", "OIDC_SCOPES": "pictures:send=upload"}

    settings = Settings.from_env({**GOOD, **told})

    assert settings.tenants == {"a=b": "press", "/corp": "desk-2"}
    assert settings.scopes == {"pictures:send": "upload"}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://[::1]/x", "http://localhost", "https://10.0.0.1/a"]
)
def test_an_issuer_is_asked_over_tls_or_on_this_machine(url: str) -> None:
    assert Settings.from_env({**GOOD, "OIDC_ISSUER": url}).issuer == url


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            "",
            "login.example",
            "ftp://login.example",
            "file:///etc/passwd",
            "https://",
            "https:///x",
        ),
        *("http://login.example", "http://127.0.0.1.example", "http://localhost.example"),
        *("https://a:b@login.example", "https://login.example?x", "https://login.example#x"),
        *("https://login.example:0", "https://login.example:x", "https://lo gin", "https://é"),
        *("https://[::1", "https://a\r\nHost: b", f"https://{'a' * 2000}"),
    ],
)
def test_any_other_address_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(ValueError, match="OIDC_ISSUER=") as refused:
        Settings.from_env({**GOOD, "OIDC_ISSUER": wrong})

    assert str(refused.value).startswith(f"OIDC_ISSUER={wrong[:100]!r}: expected ")


@pytest.mark.parametrize(
    "wrong",
    [
        {"OIDC_AUDIENCE": ""},
        {"OIDC_JWKS_URL": "http://keys.example/jwks"},
        {"OIDC_TENANTS": "corp"},
        {"OIDC_TENANTS": "corp=Press"},
        {"OIDC_TENANTS": "corp=a,corp=b"},
        {"OIDC_TENANTS": "corp=failures"},
        {"OIDC_SCOPES": "all=root"},
        {"OIDC_SCOPES": "=admin"},
        {"OIDC_KEYS_SECONDS": "0"},
        {"OIDC_KEYS_SECONDS": "86401"},
        {"OIDC_KEYS_SECONDS": "ten"},
        {"OIDC_PORT": "65536"},
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong: dict[str, str]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name}"):
        Settings.from_env({**GOOD, **wrong})


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="OIDC_ISSUER") as refused:
        Settings.from_env({"OIDC_SCOPES": "x"})

    found = re.findall(r"OIDC_[A-Z]+", str(refused.value))
    assert set(found) == {"OIDC_ISSUER", "OIDC_AUDIENCE", "OIDC_SCOPES"}
