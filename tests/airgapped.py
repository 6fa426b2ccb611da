"""`python -m tests.airgapped`: a fresh clone, a carried cache and no network: does it start?

The cache is filled and carried by the commands that `make fetch` tells. All else happens in a
network namespace that has a loopback and no route, without Go on PATH, without pip's own cache and
settings. A run writes its figures into docs/air-gapped.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.reporting import machine, report
from local.services.fetch import contents, wheels
from local.services.settings import Stack
from tests import checkout
from tests.stack import ROOT

_PAGE = ROOT / "docs" / "air-gapped.md"
_FIGURES = "## Last figures\n"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# Fails at the first thing that is not as promised. Each step tells its seconds.
_INSIDE = """
set -e
step() { began=$(date +%s); "$@"; echo "$*: $(( $(date +%s) - began )) s" >> ../figures; }
ip link set lo up
test -z "$(ip route show table all type unicast)"
if command -v go; then echo "Go is on PATH"; exit 1; fi
step make up
make status
step make down
step make up
step make test-unit
"""
_STEPS = (
    "make up, a fresh clone",
    "make down",
    "make up again",
    "make test-unit",
)


def main() -> int:
    """Return 0, or 1 where something asked for a network."""
    folder = Path(tempfile.mkdtemp(prefix="image-pipeline-airgapped-"))
    try:
        (folder / "figures").touch()
        _clone(folder / "clone")
        _carry(Stack.from_env(os.environ), folder)
        status = _inside(folder)
        seconds = (folder / "figures").read_text(encoding="utf-8").splitlines()
    finally:
        # Processes are the same outside of the namespace; a folder without a stack has none.
        subprocess.run(["make", "down"], cwd=folder / "clone", env=_environment(folder))
        shutil.rmtree(folder, ignore_errors=True)
    _record([line.rpartition(": ")[2] for line in seconds])
    return 1 if status else 0


def _clone(target: Path) -> None:
    """A clone of this checkout, with what is not committed yet."""
    subprocess.run(["git", "clone", "--quiet", ROOT, target], check=True)
    checkout.with_bugs(target)


def _carry(stack: Stack, folder: Path) -> None:
    """Fill the cache, and bring it into another home as `make fetch` tells."""
    wheels.fetch(stack, Path(sys.executable))
    here, there = contents.carry_commands(stack)
    (folder / "home").mkdir()
    subprocess.run(here, shell=True, cwd=folder, check=True)
    subprocess.run(there, shell=True, cwd=folder, env=_environment(folder), check=True)


def _inside(folder: Path) -> int:
    as_root = () if os.geteuid() == 0 else ("--map-root-user",)
    return subprocess.run(
        ["unshare", "--net", *as_root, "sh", "-c", _INSIDE],
        cwd=folder / "clone",
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
    ).returncode


def _environment(folder: Path) -> dict[str, str]:
    """What a machine has on which nothing was ever set."""
    return {"PATH": _PATH, "HOME": str(folder / "home"), "LANG": "C.UTF-8"}


def _record(seconds: list[str]) -> None:
    """Put the figures at the end of the page, in place of older ones."""
    rows = [
        (step, *(("yes", seconds[n]) if n < len(seconds) else ("**no**", "-")))
        for n, step in enumerate(_STEPS)
    ]
    where = machine.describe()
    by = ("`make test-airgapped`", where["date"], f"commit {where['commit']}", where["processor"])
    said = f"By {', '.join(by)}."
    head = _PAGE.read_text(encoding="utf-8").partition(_FIGURES)[0]
    table = report.table(("step, without a network", "held", "took"), rows)
    _PAGE.write_text(f"{head}{_FIGURES}\n{table}\n{said}\n", encoding="utf-8")
    print(f"\n{table}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
