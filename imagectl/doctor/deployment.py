"""What is examined: the environment, where the parts answer, and what a local stack's files say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagectl.fields import fields_of
from imagectl.settings import authority_of, gateway_url_of, patient, settings_of, state_dir_of
from pipeline.settings import Settings
from pipeline.timeouts import chain

# Where these answer: run files of a local stack, each with the name that its port has there.
_CONSUMERS = {
    "image-process-consumer": "consumer",
    "async-call-consumer": "async_call",
    "classifier-autoscaler": "autoscaler",
    "token-verifier": "oidc",
}


@dataclass(frozen=True)
class Deployment:
    """A deployment, or what one would be.

    Attributes:
        environment: of whoever asks.
        stack_file: stack.yml, which may not be here.
    """

    environment: Mapping[str, str]
    stack_file: Path

    @property
    def settings(self) -> Settings:
        """Settings of a client, with patience; a broken chain of timeouts is told by its check.

        Raises:
            SettingsError: one is wrong.
        """
        told = {name: text for name, text in self.environment.items() if name not in chain.levers()}
        return patient(settings_of(told))

    @property
    def secrets_dir(self) -> Path:
        """Where the secrets are; nothing of other settings need be right."""
        own = self.state_dir / "secrets"
        default = own if own.is_dir() else Settings().secrets_dir
        return Path(self.environment.get("SECRETS_DIR") or default)

    @property
    def state_dir(self) -> Path:
        """Where a local stack keeps its state."""
        return state_dir_of(self.environment)

    @property
    def is_local(self) -> bool:
        """Whether a stack of this machine keeps its state here: in containers nobody supervises."""
        return (self.state_dir / "supervisor.json").is_file()

    @property
    def gateway_url(self) -> str:
        """Where clients come in."""
        return gateway_url_of(self.environment).rstrip("/")

    @property
    def authority(self) -> str | None:
        """File of whoever vouches for certificates; None: those that everybody trusts."""
        return authority_of(self.environment)

    def consumer_urls(self) -> dict[str, str]:
        """Where consumers answer: PARTS, as name=URL,…; else those of a local stack."""
        if told := self.environment.get("PARTS"):
            pairs = (each.partition("=") for each in told.split(",") if each)
            return {name.strip(): url.strip().rstrip("/") for name, _, url in pairs}
        found = {}
        for name, port in _CONSUMERS.items():
            if number := self.run_file(name).get("ports", {}).get(port):
                found[name] = f"http://127.0.0.1:{number}"
        return found

    def replica_urls(self, function: str) -> list[str]:
        """Where the replicas of a function answer, on this machine."""
        files = self.state_dir.glob(f"run/{function}-*.json") if self.is_local else ()
        told = [each for each in map(_read, files) if each.get("function") == function]
        return [f"http://127.0.0.1:{each['ports']['http']}" for each in told]

    def run_file(self, name: str) -> dict[str, Any]:
        """What a local stack notes of one of its processes; nothing where it does not run."""
        return _read(self.state_dir / "run" / f"{name}.json")

    @property
    def users(self) -> range:
        """The numbers of a local stack's users; none where all runs as one."""
        told = _read(self.state_dir / "isolation.json")
        first, last = told.get("first"), told.get("last")
        return range(first, last + 1) if isinstance(first, int) and last else range(0)

    @property
    def why_no_users(self) -> str:
        """What a local stack's start said of it."""
        return str(_read(self.state_dir / "isolation.json").get("absent") or "")

    def supervised(self) -> dict[str, Any]:
        """What the supervisor of a local stack says of its parts; nothing where there is none."""
        return _read(self.state_dir / "supervisor.json") if self.run_file("supervisor") else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        return fields_of(path.read_bytes())
    except OSError:
        return {}
