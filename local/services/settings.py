"""What a local stack is told by its environment: where it lives, and what runs in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.machine import state
from local.machine.state import StateFolders
from local.services import ports, tls_settings
from local.services.ports import Ports
from local.services.tls_settings import IN_CLEAR, Tls
from pipeline.limits import DEFAULTS, Limits

ROOT = Path(__file__).resolve().parents[2]

_EVERY = "RECONCILE_EVERY_SECONDS"
_AUTOSCALE = "AUTOSCALE"
_ENCRYPT = "ENCRYPT_AT_REST"
_ISOLATE = "ISOLATE"


class SettingsError(Exception):
    """The environment cannot be used; the text names every variable that is wrong."""


@dataclass(frozen=True)
class Stack(StateFolders):
    """One stack: several with other folders and ports run side by side.

    Attributes:
        ports: where clients find the services.
        listening: where the services listen: there, unless <NAME>_LISTEN_PORT says otherwise.
        reconcile_every_seconds: how often lost images are looked for; 0: never.
        autoscale: whether image-classifier gets as many replicas as its backlog needs.
        oidc: whether bearer tokens of an issuer are taken.
        limits: what every process of it keeps to.
        tls: what clients of the gateway speak.
        encrypt: whether MinIO encrypts what it is given from now on.
        isolate: whether each process is a user of its own, where root starts it.
    """

    state_dir: Path
    cache_dir: Path
    build_dir: Path
    ports: Ports
    listening: Ports
    reconcile_every_seconds: int = 600
    autoscale: bool = True
    oidc: bool = False
    limits: Limits = DEFAULTS
    tls: Tls = IN_CLEAR
    encrypt: bool = True
    isolate: bool = True

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Stack:
        """Read the folders, which may be relative, the ports and what runs beside the functions.

        Raises:
            SettingsError: naming all variables that are wrong, not only the first.
        """
        every = environment.get(_EVERY) or str(cls.reconcile_every_seconds)
        autoscale = environment.get(_AUTOSCALE) or "1"
        wrong = []
        if not every.isdecimal():
            wrong.append(f"{_EVERY}={every!r}: expected seconds, a whole number, or 0 for never")
        if autoscale not in ("0", "1"):
            wrong.append(f"{_AUTOSCALE}={autoscale!r}: expected 1, or 0 for never")
        encrypt = environment.get(_ENCRYPT) or "1"
        if encrypt not in ("0", "1"):
            wrong.append(f"{_ENCRYPT}={encrypt!r}: expected 1, or 0 to write in clear")
        isolate = environment.get(_ISOLATE) or "1"
        if isolate not in ("0", "1"):
            wrong.append(f"{_ISOLATE}={isolate!r}: expected 1, or 0 for one user for all")
        limits = DEFAULTS
        try:
            limits = Limits.from_env(environment)
        except ValueError as error:
            wrong.append(str(error))
        state_dir = Path(environment.get("STATE_DIR") or ROOT / ".local").absolute()
        tls = tls_settings.read(environment, state_dir, wrong)
        told, listening = ports.read(environment, wrong)
        if wrong:
            raise SettingsError("; ".join(wrong))
        return cls(
            state_dir=state_dir,
            cache_dir=state.cache_dir(environment),
            # Where faas-cli builds too, so that either's build is what the other deploys.
            build_dir=Path(environment.get("BUILD_DIR") or ROOT / "build").absolute(),
            ports=told,
            listening=listening,
            reconcile_every_seconds=int(every),
            autoscale=autoscale == "1",
            oidc=bool(environment.get("OIDC_ISSUER")),
            limits=limits,
            tls=tls,
            encrypt=encrypt == "1",
            isolate=isolate == "1",
        )

    @property
    def secrets_dir(self) -> Path:
        return self.state_dir / "secrets"

    @property
    def api_key_file(self) -> Path:
        return self.state_dir / "api-key"

    @property
    def keys_dir(self) -> Path:
        """What is known of API keys, a file each."""
        return self.state_dir / "keys"

    @property
    def keys_used_dir(self) -> Path:
        """Where it is noted that one was used."""
        return self.state_dir / "keys-used"

    @property
    def gateway_master_key_file(self) -> Path:
        return self.state_dir / "gateway-master-key"

    @property
    def encryption_key_file(self) -> Path:
        """What MinIO encrypts by; not among the secrets: those a function may be given."""
        return self.state_dir / "minio-encryption-key"

    @property
    def tls_dir(self) -> Path:
        """An authority of the stack's own, and the certificates that it has made."""
        return self.state_dir / "tls"

    @property
    def gateway_dir(self) -> Path:
        return self.state_dir / "gateway"

    @property
    def gateway_url(self) -> str:
        scheme = "https" if self.tls.is_on else "http"
        return f"{scheme}://{self.tls.called}:{self.ports.gateway}"

    def folders(self) -> dict[str, str]:
        """The environment that other processes of this stack find its folders by."""
        return {
            "STATE_DIR": str(self.state_dir),
            "CACHE_DIR": str(self.cache_dir),
            "BUILD_DIR": str(self.build_dir),
        }

    def data_dir(self, service: str) -> Path:
        return self.state_dir / "data" / service

    def addresses(self) -> dict[str, str]:
        """The environment that functions, consumers and commands find this stack by."""
        return {
            "MINIO_ENDPOINT": f"127.0.0.1:{self.ports.minio}",
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.ports.kafka}",
            "REDIS_URL": f"redis://127.0.0.1:{self.ports.redis}/0",
            "OPENFAAS_URL": f"http://127.0.0.1:{self.ports.provider}",
            "OPENFAAS_INTERNAL_URL": f"http://127.0.0.1:{self.ports.provider}",
            "SECRETS_DIR": str(self.secrets_dir),
        }
