"""kubectl as tests on the node find it: on PATH, with the cluster's kubeconfig."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

_COMMAND_SECONDS = 300.0


def kubectl(
    *words: str | Path, text: str = "", environment: Mapping[str, str] | None = None
) -> str:
    """Run it to its end; what it printed. A failure shows what it said.

    Args:
        environment: where it and the cluster are found; None: as this process does.
    """
    done = subprocess.run(
        ["kubectl", *words],
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
    )
    said = f"{done.stdout}{done.stderr}".strip()
    assert done.returncode == 0, f"kubectl {' '.join(map(str, words))}: {said}"
    return done.stdout
