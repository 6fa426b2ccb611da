"""Where a stack keeps its files: the folders that more than one room knows, and the cache."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# Below the cache: what functions need beside the packages that all of them share.
LAYERS = "layers"


def cache_dir(environment: Mapping[str, str]) -> Path:
    """Where what was fetched or made once is kept for all stacks of a user."""
    home_cache = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(environment.get("CACHE_DIR") or Path(home_cache) / "image-pipeline").absolute()


class StateFolders:
    """The folders of whatever has a `state_dir`."""

    state_dir: Path

    @property
    def run_dir(self) -> Path:
        """One JSON file for each process of the stack."""
        return self.state_dir / "run"

    @property
    def logs_dir(self) -> Path:
        return self.state_dir / "logs"

    @property
    def replicas_dir(self) -> Path:
        """Each replica's own folder: its secrets and its temporary files."""
        return self.state_dir / "provider" / "replicas"
