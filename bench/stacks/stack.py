"""A stack of its own: started by the command that users type, stopped and removed when done."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.checks import BenchFailed
from local.machine import processes
from local.services.settings import ROOT
from pipeline.access.accounts import SETUP
from pipeline.settings import Settings
from tests.ports import free_ports

_PORTS = (
    "GATEWAY", "PROVIDER", "CONSUMER", "AUTOSCALER", "ASYNC_CALL", "MINIO", "MINIO_CONSOLE",
    "KAFKA", "KAFKA_CONTROLLER", "REDIS", "GATEWAY_HTTP",
)  # fmt: skip
CONSUMER = "image-process-consumer"


@dataclass(frozen=True)
class BenchStack:
    """A running stack: where its state and its ports are.

    Attributes:
        given: settings beyond what `make up` gives; with TLS="1" the gateway speaks it.
    """

    state_dir: Path
    ports: dict[str, int]
    given: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What tells a command which stack is meant."""
        ports = {f"{name}_PORT": str(port) for name, port in self.ports.items()}
        folders = {"STATE_DIR": str(self.state_dir), "BUILD_DIR": str(self.state_dir / "build")}
        # Scenarios choose the number of replicas; those of bursts and overload switch it on.
        return {**os.environ, "AUTOSCALE": "0", **folders, **ports, **self.given}

    @property
    def shared(self) -> Path:
        """A folder in which functions, each a user of its own, may write."""
        folder = self.state_dir / "shared"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        return folder

    @property
    def run_dir(self) -> Path:
        """One file a process."""
        return self.state_dir / "run"

    @property
    def addresses(self) -> dict[str, str]:
        """What tells a client of MinIO and Kafka where they are; it may do everything."""
        return {
            "MINIO_ENDPOINT": f"127.0.0.1:{self.ports['MINIO']}",
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.ports['KAFKA']}",
            "SECRETS_DIR": str(self.state_dir / "secrets"),
            "ACCOUNT": SETUP,
        }

    @property
    def settings(self) -> Settings:
        """Settings of a client of this stack."""
        return Settings.from_env(self.addresses)

    @property
    def gateway(self) -> tuple[str, int]:
        """Nginx' host and port."""
        return "127.0.0.1", self.ports["GATEWAY"]

    @property
    def authority(self) -> Path | None:
        """Who vouches for the gateway's certificate; None where it speaks no TLS."""
        is_on = self.given.get("TLS") == "1"
        return self.state_dir / "tls" / "ca.pem" if is_on else None

    @property
    def api_key(self) -> str:
        """The key that was made when the stack started."""
        return (self.state_dir / "api-key").read_text()

    def command(self, *words: str) -> None:
        """Run one of the commands behind make's targets; it prints for itself.

        Raises:
            BenchFailed: it failed.
        """
        status = subprocess.call(
            [sys.executable, "-m", "local.services", *words], cwd=ROOT, env=self.environment
        )
        if status:
            raise BenchFailed(f"`python -m local.services {words[0]}` ended with status {status}")

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop a process in its tracks for a while; its connections stay open."""
        process = processes.recorded(self.run_dir)[name]
        process.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.signal(signal.SIGCONT)


@contextmanager
def running_stack(model_dir: Path | None, **given: str) -> Iterator[BenchStack]:
    """Start a stack in a folder of its own; stop it and remove the folder, also after a failure.

    Args:
        given: settings of the consumer, such as BATCH_SIZE="8".
    """
    state_dir = Path(tempfile.mkdtemp(prefix="bench-"))
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    stack = BenchStack(state_dir, ports, given)
    model = ["--model-dir", str(model_dir)] if model_dir else []
    try:
        stack.command("up", *model)
        yield stack
    finally:
        stack.command("down")
        shutil.rmtree(state_dir)
