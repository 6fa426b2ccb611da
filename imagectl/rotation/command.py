"""`imagectl secrets`: what there is, and how one takes another's place under load."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import click

from imagectl.rotation.delivery import Delivery
from imagectl.rotation.logins import Logins
from imagectl.rotation.signing_keys import SIGNING_KEY, SigningKeys
from imagectl.settings import settings_of
from pipeline.access.accounts import ACCOUNTS, SERVICES, SETUP
from pipeline.access.secret_file import LOOK_EVERY_SECONDS
from pipeline.errors import Rejected

_NAMES = (*(account.name for account in ACCOUNTS), SIGNING_KEY)
# A process looks at its secrets once a second; what it began before that ends by the old one.
_OVERLAP_SECONDS = 10.0


@click.group()
def secrets() -> None:
    """Logins of processes, and the key of job ids: list them, rotate them."""


@secrets.command("list")
def list_them() -> None:
    """Tell what can be rotated, and what each is for."""
    for account in ACCOUNTS:
        services = [service for service in SERVICES if account.rights(service)]
        click.echo(f"{account.name}: its login at {', '.join(services)}")
    click.echo(f"{SIGNING_KEY}: signs job ids; those of the keys before stay valid")


@secrets.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that `list` tells.")
@click.option(
    "--overlap",
    default=_OVERLAP_SECONDS,
    show_default=True,
    type=click.FloatRange(min=2 * LOOK_EVERY_SECONDS),
    help="Seconds for which the old and the new one are both valid.",
)
def rotate(names: tuple[str, ...], everything: bool, overlap: float) -> None:
    """Put new secrets in the place of NAMES, while everything works.

    Broken off, it leaves old and new ones valid: do it again.
    """
    if bool(names) == everything:
        raise click.UsageError("say which: NAMES, or --all")
    if unknown := sorted(set(names) - set(_NAMES)):
        found, allowed = ", ".join(unknown), ", ".join(_NAMES)
        raise Rejected(f"{found} cannot be rotated; what can: {allowed}")
    wanted = _NAMES if everything else names
    settings = replace(settings_of(os.environ), account=SETUP)
    delivery = Delivery(settings)
    logins, signing_keys = Logins(settings, delivery), SigningKeys(delivery)
    for account in ACCOUNTS:
        if account.name in wanted:
            logins.give(account)
    if SIGNING_KEY in wanted:
        signing_keys.give()
    click.echo(f"given; the old ones are valid for {overlap:g} s more", err=True)
    time.sleep(overlap)
    logins.refuse_old()
    if SIGNING_KEY in wanted:
        signing_keys.sign_with_new()
    click.echo(f"rotated: {', '.join(name for name in _NAMES if name in wanted)}")
