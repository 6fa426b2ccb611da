"""`imagectl`, also `python -m imagectl`: its commands, and how a failed one ends."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from pipeline.errors import ModelRefused, PipelineError, SettingsError
from pipeline.version import VERSION

# Where each command is, and what its help says: `models` needs TensorFlow's rooms, and a timer that
# runs `reconcile` must not carry them in memory.
_COMMANDS = {
    "dead-letters": (
        "imagectl.dead_letters.command:dead_letters",
        "Messages that failed: replay them.",
    ),
    "doctor": ("imagectl.doctor.command:doctor", "Examine a configuration, and what runs."),
    "keys": ("imagectl.keys.command:keys", "API keys: create, list, rotate and revoke them."),
    "models": ("imagectl.models:models", "Models in MinIO: list them, add one, use one."),
    "prove": ("imagectl.prove.command:prove", "Try the guarantees on a running deployment."),
    "quotas": ("imagectl.quotas:quotas", "How much each tenant may send and have."),
    "reconcile": ("imagectl.reconcile:reconcile", "Account for every image; send lost ones again."),
    "secrets": ("imagectl.rotation.command:secrets", "Logins and keys: rotate them under load."),
}


class _Commands(click.Group):
    """Commands that are imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_COMMANDS.items())])


@click.group(cls=_Commands)
@click.version_option(VERSION, prog_name="imagectl")
def cli() -> None:
    """Operate an image pipeline.

    The stack is found by STATE_DIR (default .local), or by MINIO_ENDPOINT, KAFKA_BOOTSTRAP_SERVERS,
    OPENFAAS_URL, SECRETS_DIR and KEYS_DIR.
    """


def main() -> None:
    """Run a command; one that cannot be done says why and ends with status 1."""
    try:
        cli(prog_name="imagectl")
    except (ModelRefused, PipelineError, SettingsError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
