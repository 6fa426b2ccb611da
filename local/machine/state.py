"""Where a stack keeps its files: the folders below STATE_DIR that more than one room knows."""

from __future__ import annotations

from pathlib import Path


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
