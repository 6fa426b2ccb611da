"""`imagectl quotas`: how much each tenant may send and have, and what it has used."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from imagectl.settings import settings_of
from pipeline.errors import Conflict, Rejected
from pipeline.ids import TENANT_BUCKET
from pipeline.quotas import KEY, NAMES, Quota, Quotas, check, most
from pipeline.settings import Settings
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.usage import Usage

_UNSET = "default"
_MOST_TRIES = 20


class _Limit(click.ParamType[int | str]):
    """A whole number, 0 for none, or `default` for what the settings say."""

    name = "N"

    def __init__(self, quota: str) -> None:
        self._most = most(quota)

    def convert(self, value: Any, param: Any, ctx: Any) -> int | str:
        if value == _UNSET:
            return _UNSET
        text = str(value)
        if not (text.isascii() and text.isdecimal()) or len(text) > 16 or int(text) > self._most:
            self.fail(f"{text!a:.40} is no limit; allowed: 0 (none) to {self._most}, {_UNSET}")
        return int(text)


@click.group()
def quotas() -> None:
    """How much each tenant may send and have: list it, set it.

    image-upload keeps to what is set within ten seconds. Used is told from Redis, by UTC days.
    """


@quotas.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_quotas(as_json: bool) -> None:
    """List the tenants that have a quota of their own, and what they have used."""
    settings = settings_of(os.environ)
    known = _parse(ObjectStore(settings).get(TENANT_BUCKET, KEY))
    usual = Quota.from_settings(settings)
    rows = [_row(tenant, known.of(tenant, usual), settings) for tenant in sorted(known.own)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(row["tenant"])
        for name, each in row["quotas"].items():
            if each["limit"]:
                used = "?" if each["used"] is None else f"{each['used']:,}"
                click.echo(f"  {name.replace('_', ' '):<18} {used} of {each['limit']:,}")


@quotas.command("set")
@click.argument("tenant")
def set_quota(tenant: str, **limits: int | str | None) -> None:
    """Set limits of TENANT; those that are not named stay. 0 is none, `default` the settings'."""
    given = {name: value for name, value in limits.items() if value is not None}
    if not given:
        raise Rejected(f"nothing is set; allowed: {', '.join(map(_option, NAMES))}")
    change(ObjectStore(settings_of(os.environ)), tenant, given)


def change(store: ObjectStore, tenant: str, given: Mapping[str, int | str]) -> None:
    """Set these limits; what others set meanwhile stands.

    Raises:
        Conflict: others did so again and again.
        Rejected: a limit, or what is kept, is none.
        Unavailable: MinIO does not answer.
    """
    for _ in range(_MOST_TRIES):
        text, tag = store.tagged(TENANT_BUCKET, KEY)
        changed = _changed(_parse(text), tenant, given)
        if store.replace(TENANT_BUCKET, KEY, changed, "application/json", tag):
            return
    raise Conflict(
        f"others changed quotas {_MOST_TRIES} times meanwhile; nothing is set: try again",
        allowed="one change at a time",
    )


def _changed(known: Quotas, tenant: str, given: Mapping[str, int | str]) -> bytes:
    own = {**known.own.get(tenant, {}), **given}
    kept = {name: value for name, value in own.items() if isinstance(value, int)}
    try:
        check(tenant, kept)
        known.own[tenant] = kept
        if not kept:
            del known.own[tenant]
        return known.document()
    except ValueError as error:
        raise Rejected(str(error)) from error


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _with_limits(command: Callable[..., None]) -> Callable[..., None]:
    for name in NAMES:
        command = click.option(_option(name), type=_Limit(name))(command)
    return command


_with_limits(set_quota)


def _parse(text: bytes | None) -> Quotas:
    try:
        return Quotas.parse(text)
    except ValueError as error:
        raise Rejected(f"{TENANT_BUCKET}/{KEY} cannot be read: {error}") from error


def _row(tenant: str, quota: Quota, settings: Settings) -> dict[str, Any]:
    used = Usage(settings).of(tenant, datetime.now(UTC).date().isoformat())
    told = asdict(quota)
    return {
        "tenant": tenant,
        "quotas": {
            name: {"limit": limit, "used": getattr(used, name) if used else None}
            for name, limit in told.items()
        },
    }
