"""`imagectl`, also `python -m imagectl`: its commands, and how a failed one ends."""

from __future__ import annotations

import sys

import click

from imagectl.models import models
from imagectl.openfaas import OpenFaaSError
from pipeline.errors import Unavailable
from pipeline.manifest import ModelRefused
from pipeline.settings import SettingsError


@click.group()
def cli() -> None:
    """Operate an image pipeline.

    The stack is found by STATE_DIR (default .local), or by MINIO_ENDPOINT, OPENFAAS_URL and
    SECRETS_DIR.
    """


cli.add_command(models)


def main() -> None:
    """Run a command; one that cannot be done says why and ends with status 1."""
    try:
        cli(prog_name="imagectl")
    except (ModelRefused, OpenFaaSError, SettingsError, Unavailable) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
