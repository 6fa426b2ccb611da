"""`imagectl keys`: who may call. What is changed is in force with the next request."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click

from imagectl.keys.folder import KeyFolder, keys_dir_of, replace_file
from imagectl.keys.record import EXPIRED, LIVE, NAME_PATTERN, Record, digest_of
from imagectl.moments import EXPIRY, LENGTH
from imagectl.settings import settings_of, state_dir_of
from pipeline import rates
from pipeline.errors import Rejected
from pipeline.ids import TENANT_PATTERN
from pipeline.names import SCOPES

_COLUMNS = ("id", "tenant", "scopes", "name", "state", "rate", "created", "expires", "last used")
_DEFAULT = "default"
_PRIVATE = 0o600


@click.group()
def keys() -> None:
    """API keys: create, list, rotate and revoke them.

    A key stands for a tenant and scopes: upload (send images, have them classified), read (states
    and results), admin (everything of the tenant, functions of others and /async-function, too).
    """


@keys.command()
@click.option("--tenant", required=True, help="Whose images it opens.")
@click.option("--scopes", required=True, help="What it allows: upload,read or admin.")
@click.option("--name", default="", help="What you call it; its tenant if not given.")
@click.option("--expires", type=EXPIRY, default="never", show_default=True, help="90d, a date.")
@click.option("--rate", default=_DEFAULT, show_default=True, help="50/s, 600/m, 1000/h or none.")
@click.option("--burst", type=int, help="Requests at once; a second's worth if not given.")
def create(
    tenant: str, scopes: str, name: str, expires: float, rate: str, burst: int | None
) -> None:
    """Make a key and print it: it is shown this once."""
    own_rate, at_once = _rate(rate, burst)
    wanted = Record(
        digest="",
        tenant=_tenant(tenant),
        scopes=_scopes(scopes),
        name=_name(name or tenant),
        created=int(time.time()),
        expires=None if math.isinf(expires) else int(expires),
        rate=own_rate,
        burst=at_once,
    )
    folder = _folder()
    with folder.locked():
        key, record = folder.create(wanted)
    click.echo(key)
    click.echo(f"{_described(record)}. It is not shown again.", err=True)


@keys.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those revoked or expired.")
@click.option("--tenant", help="Of this tenant only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(everything: bool, tenant: str | None, as_json: bool) -> None:
    """List the keys: all of each but the key itself."""
    folder, now = _folder(), time.time()
    found, wrong = folder.all()
    shown = [
        _row(each, folder, now)
        for each in found
        if (everything or each.state(now) == LIVE) and tenant in (None, each.tenant)
    ]
    if as_json:
        click.echo(json.dumps(shown, indent=2))
    else:
        for line in _table([_cells(row) for row in shown]):
            click.echo(line)
    for fault in wrong:
        click.echo(f"warning: {fault}; it opens nothing", err=True)


@keys.command()
@click.argument("key", metavar="KEY...", nargs=-1, required=True)
def revoke(key: tuple[str, ...]) -> None:
    """End keys at once, for good: by id, or all live ones of a name."""
    folder, now = _folder(), int(time.time())
    with folder.locked():
        meant = [each for name in key for each in folder.called(name, now)]
        for record in meant:
            if record.revoked is None:
                folder.write(replace(record, revoked=now))
    for record in meant:
        click.echo(f"{_described(record)}: revoked")


@keys.command()
@click.argument("key")
@click.option("--overlap", type=LENGTH, help="How long the old key works on: 12h; 0s: no more.")
@click.option("--expires", type=EXPIRY, help="Of the new key; else it lives as long as the old.")
def rotate(key: str, overlap: int | None, expires: float | None) -> None:
    """Make a new key of the same tenant, scopes and name as KEY (id or name), and print it.

    The old one works on for KEY_OVERLAP_SECONDS, a day if that is not set.
    """
    folder, now = _folder(), int(time.time())
    seconds = settings_of(os.environ).key_overlap_seconds if overlap is None else overlap
    with folder.locked():
        old = _to_rotate(folder, key, now)
        # Both are one to whoever counts: two keys for a day are not twice the rate.
        wanted = replace(
            old,
            created=now,
            expires=_expiry(old, now, expires),
            replaced_by="",
            counted=old.counted or old.digest,
        )
        made, new = folder.create(wanted)
        ends = min(now + seconds, old.expires or now + seconds)
        folder.write(replace(old, expires=ends, replaced_by=new.id))
        kept_in = _put_into_file(old, made)
    click.echo(made)
    told = f"{_described(new)}. {old.id} works until {_moment(ends)}."
    click.echo(f"{told} {kept_in or 'It is not shown again.'}", err=True)


@keys.command()
@click.argument("key")
@click.option("--rate", required=True, help="50/s, 600/m, 1000/h, none, or default.")
@click.option("--burst", type=int, help="Requests at once; a second's worth if not given.")
def limit(key: str, rate: str, burst: int | None) -> None:
    """Say how often KEY may ask: by id, or all live ones of a name.

    default: as KEY_RATE and KEY_BURST of the gateway say; none: as often as it likes.
    """
    own_rate, at_once = _rate(rate, burst)
    folder, now = _folder(), int(time.time())
    with folder.locked():
        meant = folder.called(key, now)
        for record in meant:
            folder.write(replace(record, rate=own_rate, burst=at_once))
    for record in meant:
        told = f"{own_rate}, {at_once} at once" if at_once else rate
        click.echo(f"{_described(record)}: rate {told}")


def _folder() -> KeyFolder:
    return KeyFolder(*keys_dir_of(os.environ, state_dir_of(os.environ)))


def _to_rotate(folder: KeyFolder, name: str, now: int) -> Record:
    """Find the one key that is meant: of those of a name the one that was not replaced yet."""
    found = folder.called(name, now)
    current = [each for each in found if not each.replaced_by]
    if len(current) > 1:
        ids = ", ".join(each.id for each in current)
        raise Rejected(f"{len(current)} keys have the name {name!r}; say which: {ids}")
    if not current:
        raise Rejected(f"{name} was replaced by {found[-1].replaced_by}; rotate that one")
    if (state := current[0].state(now)) != LIVE:
        raise Rejected(f"{name} is {state}; only a live key can be rotated: create a new one")
    return current[0]


def _expiry(old: Record, now: int, given: float | None) -> int | None:
    if given is not None:
        return None if math.isinf(given) else int(given)
    return None if old.expires is None else now + old.expires - old.created


def _put_into_file(old: Record, key: str) -> str:
    """Put the new key where a local stack keeps the old one; says so, or nothing."""
    file = state_dir_of(os.environ) / (old.file or "none")
    try:
        if not old.file or digest_of(file.read_text(encoding="utf-8").strip()) != old.digest:
            return ""
        replace_file(file, key, _PRIVATE)
    except OSError:
        return ""
    return f"It is in {file}."


def _tenant(text: str) -> str:
    if not TENANT_PATTERN.fullmatch(text):
        raise Rejected(
            f"the tenant is {text[:100]!r}; allowed: 1 to 63 of a-z, 0-9 and -, not - first, and"
            " neither failures nor cancelled",
            found=text[:100],
        )
    return text


def _scopes(text: str) -> tuple[str, ...]:
    found = {each.strip() for each in text.split(",")}
    if not found or found - set(SCOPES):
        raise Rejected(
            f"the scopes are {text[:100]!r}; allowed: {', '.join(SCOPES)}, with commas between",
            found=text[:100],
        )
    return tuple(scope for scope in SCOPES if scope in found)


def _rate(text: str, burst: int | None) -> tuple[str, int | None]:
    """Read what a key may ask as its record keeps it."""
    if text in (_DEFAULT, rates.NONE):
        if burst is not None:
            raise Rejected(
                f"a burst of {burst} needs a rate, such as --rate 50/s", found=burst, allowed=None
            )
        return ("" if text == _DEFAULT else text), None
    try:
        return rates.checked(text, burst)
    except ValueError as error:
        raise Rejected(str(error), found=text[:100]) from error


def _name(text: str) -> str:
    if not NAME_PATTERN.fullmatch(text):
        raise Rejected(
            f"the name is {text[:100]!r}; allowed: 1 to 63 letters, digits, spaces, ., _ and -,"
            " a letter or digit first, and no space last",
            found=text[:100],
        )
    return text


def _described(record: Record) -> str:
    scopes, ends = ", ".join(record.scopes), "never expires"
    if record.expires is not None:
        ends = f"expires {_moment(record.expires)}"
    return f"{record.id} ({record.name}) of tenant {record.tenant}: {scopes}; {ends}"


def _row(record: Record, folder: KeyFolder, now: float) -> dict[str, Any]:
    state = record.state(now)
    used = folder.last_used(record)
    return {
        "id": record.id,
        "tenant": record.tenant,
        "scopes": list(record.scopes),
        "name": record.name,
        "state": state,
        "rate": record.rate or _DEFAULT,
        "burst": record.burst,
        "created": _moment(record.created),
        "expires": None if record.expires is None else _moment(record.expires),
        "lastUsed": None if used is None else _moment(used),
        "replacedBy": record.replaced_by or None,
        "file": record.file or None,
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    state = row["state"]
    if row["replacedBy"] and state in (LIVE, EXPIRED):
        state = f"{state}, replaced by {row['replacedBy']}"
    ends, used = row["expires"] or "never", row["lastUsed"] or "not yet"
    scopes = ",".join(row["scopes"])
    rate = f"{row['rate']}, {row['burst']} at once" if row["burst"] else row["rate"]
    return row["id"], row["tenant"], scopes, row["name"], state, rate, row["created"], ends, used


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [_COLUMNS, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
