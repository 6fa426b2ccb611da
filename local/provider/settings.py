"""What the provider is told by its environment, and where its files lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.machine import state
from local.machine.state import StateFolders
from pipeline.limits import Limits
from pipeline.timeouts import chain


@dataclass(frozen=True)
class Settings(StateFolders):
    """The provider's settings, and the folders below STATE_DIR.

    rollout_seconds: how long a new version may take until all its replicas are ready.
    queue_seconds: how long the queue may take to accept an asynchronous call.
    limits: those that other processes keep to as well.
    async_calls_url: where the queue of /async-function takes calls; empty: there is none.
    layer_bytes, layer_seconds: what installing a function's requirements may take.
    users: the numbers of functions' own users; none: all run as the provider does.
    """

    host: str
    port: int
    state_dir: Path
    build_dir: Path
    secrets_dir: Path
    rollout_seconds: float
    queue_seconds: float
    limits: Limits
    cache_dir: Path
    layer_bytes: int
    layer_seconds: int
    async_calls_url: str = ""
    users: range = range(0)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings; raise ValueError where one is wrong, or a timeout among others is."""
        timeouts = chain.check(env)
        state_dir = Path(env.get("STATE_DIR") or ".local").resolve()
        return cls(
            host=env.get("LISTEN_HOST") or "127.0.0.1",
            port=int(env.get("PROVIDER_PORT") or 8081),
            state_dir=state_dir,
            build_dir=Path(env.get("BUILD_DIR") or "build").resolve(),
            secrets_dir=Path(env.get("SECRETS_DIR") or state_dir / "secrets").resolve(),
            rollout_seconds=timeouts.seconds("rollout"),
            queue_seconds=timeouts.seconds("queue"),
            limits=Limits.from_env(env),
            async_calls_url=(env.get("ASYNC_CALLS_URL") or "").rstrip("/"),
            cache_dir=state.cache_dir(env),
            layer_bytes=_whole_number(env, "PROVIDER_LAYER_BYTES", 2_000_000_000),
            layer_seconds=_whole_number(env, "PROVIDER_LAYER_SECONDS", 600),
            users=_numbers(env, "FUNCTION_USERS"),
        )

    @property
    def max_body_bytes(self) -> int:
        """The largest body of a request to a function."""
        return self.limits.max_body_bytes

    @property
    def functions_dir(self) -> Path:
        """What is deployed: one JSON file for each function."""
        return self.state_dir / "provider" / "functions"

    @property
    def users_file(self) -> Path:
        """Which function has which user."""
        return self.state_dir / "provider" / "users.json"

    @property
    def versions_dir(self) -> Path:
        """The working copies that replicas run in, one for each version of a function."""
        return self.state_dir / "provider" / "versions"

    @property
    def layers_dir(self) -> Path:
        """What functions need beside the shared packages, for all stacks of this user."""
        return self.cache_dir / state.LAYERS

    def make_folders(self) -> None:
        for folder in (self.run_dir, self.logs_dir, self.functions_dir):
            folder.mkdir(parents=True, exist_ok=True)
        self.functions_dir.chmod(0o700)  # with the variables of all
        # Each function's user comes to what is its own, and sees nothing else's name.
        mode = 0o711 if self.users else 0o700
        for private in (self.versions_dir, self.replicas_dir):
            private.mkdir(parents=True, exist_ok=True)
            private.chmod(mode)


def _numbers(env: Mapping[str, str], name: str) -> range:
    text = env.get(name) or ""
    if not text:
        return range(0)
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) < 1 << 31):
        raise ValueError(f"{name}={text!r}: expected numbers of users, as 66080-66303, or nothing")
    return range(int(first), int(last) + 1)


def _whole_number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not (text.isdecimal() and int(text)):
        raise ValueError(f"{name}={text!r}: expected a whole number from 1")
    return int(text)
