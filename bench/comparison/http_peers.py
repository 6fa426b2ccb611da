"""The servers that our function is compared with: how each is started and asked."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from bench.checks import BenchFailed
from bench.comparison import environment
from bench.comparison.guests import Guest, guest
from bench.load.closed_loop import Target, closed_loop
from bench.load.drain import Images
from bench.stacks.stack import BenchStack
from local.services.settings import ROOT
from tests.ports import free_ports

PEERS = ("LitServe", "BentoML", "MLServer")
WORKERS = 2

_READY_SECONDS = 60.0
_POLL_SECONDS = 0.1
# MLServer's: nothing beside answering.
_FAST = {
    "parallel_workers": WORKERS,
    "debug": False,
    "gzip_enabled": False,
    "metrics_endpoint": None,
}
_MODEL = "bench.peers.mlserver_model.Classifier"


@dataclass(frozen=True)
class Peer:
    """One server.

    Attributes:
        tuned: with two workers and whatever makes it faster, else at its documented defaults, which
            is one worker each.
    """

    name: str
    tuned: bool

    @property
    def part(self) -> str:
        """What the names of its processes start with."""
        return self.name.lower()

    @contextmanager
    def serving(self, stack: BenchStack, image: Images, folder: Path) -> Iterator[Target]:
        """Serve in the block; it has answered once.

        Args:
            folder: where it may write.

        Raises:
            BenchFailed: it does not serve.
        """
        [port] = free_ports(1)
        own = environment_of(stack, folder)
        if self.tuned:
            own["PEER_WORKERS"] = str(WORKERS)
        command = _COMMANDS[self.name](port, self.tuned, folder)
        # BentoML's workers take connections, not requests: kept alive they would not be shared out.
        target = Target([port], _PATHS[self.name], keep_alive=self.name != "BentoML")
        with guest(stack.run_dir, self.part, command, own, folder) as running:
            _wait(running, target, image)
            yield target


def environment_of(stack: BenchStack, folder: Path) -> dict[str, str]:
    """What a peer finds our modules, the model and MinIO by; it sends nothing home.

    Args:
        folder: where it may leave what it likes.
    """
    paths = os.pathsep.join([str(ROOT), str(ROOT / "functions" / "image-classifier")])
    bentoml = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(folder)}
    own = {"PYTHONPATH": paths, "TMPDIR": str(folder), **bentoml}
    return {**os.environ, **stack.addresses, **own}


def mlserver_folder(folder: Path, settings: dict[str, object], tuned: bool) -> None:
    """Write what MLServer reads at its start; it listens nowhere but on 127.0.0.1."""
    http, grpc, metrics = free_ports(3)
    ports = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    given = {"host": "127.0.0.1", **ports, **(_FAST if tuned else {}), **settings}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(given))
    model = {"name": "classifier", "implementation": _MODEL}
    (folder / "model-settings.json").write_text(json.dumps(model))


def mlserver_command(folder: Path) -> list[str]:
    """Start MLServer on such a folder."""
    return [str(environment.python("peers").with_name("mlserver")), "start", str(folder)]


def _litserve(port: int, tuned: bool, folder: Path) -> list[str]:
    workers = [str(WORKERS)] if tuned else []
    python = str(environment.python("peers"))
    return [python, "-m", "bench.peers.litserve_http", str(port), *workers]


def _bentoml(port: int, tuned: bool, folder: Path) -> list[str]:
    program = str(environment.python("peers").with_name("bentoml"))
    where = ["--host", "127.0.0.1", "--port", str(port), "--working-dir", str(ROOT)]
    return [program, "serve", "bench.peers.bentoml_http:Classifier", *where]


def _mlserver(port: int, tuned: bool, folder: Path) -> list[str]:
    mlserver_folder(folder, {"http_port": port}, tuned)
    return mlserver_command(folder)


_COMMANDS = {"LitServe": _litserve, "BentoML": _bentoml, "MLServer": _mlserver}
_PATHS = {"LitServe": "/predict", "BentoML": "/classify", "MLServer": "/classify"}


def _wait(running: Guest, target: Target, image: Images) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        running.check()
        with suppress(OSError, HTTPException, BenchFailed):
            closed_loop(target, image, 0.01, clients=1)
            running.settle()
            return
        time.sleep(_POLL_SECONDS)
    raise BenchFailed(f"{running.name} gave no answer in {_READY_SECONDS:g} s")
