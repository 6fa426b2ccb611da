"""What containers of docker-compose.yml run: the provider with its secrets, and the rollout.

`python -m local.containers.composed provider | rollout`; addresses come from the environment.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from local.machine import files
from local.services.commands import rollout
from local.services.progress import StepFailed, say
from local.services.settings import SettingsError, Stack
from pipeline.timeouts import chain

_ADDRESSES = (
    "MINIO_ENDPOINT",
    "KAFKA_BOOTSTRAP_SERVERS",
    "REDIS_URL",
    "OPENFAAS_URL",
    "OPENFAAS_INTERNAL_URL",
)
_GIVEN_SECRETS = Path("/run/secrets")
_MODEL_FOLDER = Path("/model")


@dataclass(frozen=True)
class Composed(Stack):
    """A stack whose parts are containers that know each other by name."""

    @property
    def secrets_dir(self) -> Path:
        return _GIVEN_SECRETS

    def addresses(self) -> dict[str, str]:
        given = {name: os.environ[name] for name in _ADDRESSES}
        return {**given, "SECRETS_DIR": str(self.secrets_dir)}


def main() -> int:
    command = sys.argv[1:]
    try:
        chain.check(os.environ)
        if command == ["provider"]:
            _run_provider(Stack.from_env(os.environ).secrets_dir)
        if command == ["rollout"]:
            roll_out(Composed.from_env(os.environ), os.environ.get("MODEL_DIR", ""))
            return 0
    except (StepFailed, SettingsError, OSError, ValueError) as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    print(__doc__, file=sys.stderr)
    return 2


def _run_provider(secrets_dir: Path) -> None:
    """Become the provider. It keeps secrets that faas-cli creates, so it needs a folder of its own.

    Those that it is given come from outside, and are taken anew at every start.
    """
    secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    for secret in _GIVEN_SECRETS.iterdir():
        if secret.is_file():
            text = secret.read_text(encoding="utf-8")
            files.write(secrets_dir / secret.name, text, files.PRIVATE)
    os.execv(sys.executable, [sys.executable, "-m", "local.provider"])


def roll_out(stack: Stack, model_dir: str) -> None:
    """Publish the model and deploy the functions with it.

    Args:
        model_dir: what the user calls the folder that is mounted as the model: another one is
            published, the same one leaves the model that was chosen since.
    """
    same = rollout.remembered(rollout.model_dir_file(stack)) == model_dir
    model_id = rollout.chosen_model(stack) if same else ""
    model_id = model_id or rollout.publish_model(stack, str(_MODEL_FOLDER))
    rollout.deploy(stack, model_id)
    files.write(rollout.model_dir_file(stack), model_dir)
    say(f"The functions are ready; the model is {model_id}.")


if __name__ == "__main__":
    sys.exit(main())
