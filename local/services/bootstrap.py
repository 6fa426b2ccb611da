"""What must be there before the virtual environment is: Debian's packages, then .venv itself.

Run by the system's Python from the root of the repository, so it imports the standard library only.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from local.machine import files
from local.services.fetch import debian, kafka_jars, wheels
from local.services.progress import StepFailed, run
from local.services.settings import ROOT, SettingsError, Stack

_VENV = ROOT / ".venv"
_PROJECT = ROOT / "pyproject.toml"
_STAMP = _VENV / "installed.sha256"


def main() -> int:
    try:
        stack = Stack.from_env(os.environ)
        debian.install(stack, for_jars=not kafka_jars.folder(stack).exists())
        with files.lock(_checkout_lock(stack)):
            install_packages(stack)
    except (SettingsError, StepFailed) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def install_packages(stack: Stack) -> None:
    """Make .venv hold what requirements.lock pins, and imagectl; costs nothing when it does.

    What the cache has is not asked for again: it needs no network then.

    Raises:
        StepFailed: pip failed, or a package's hash is another than the locked one.
    """
    wanted = _fingerprint()
    if _STAMP.exists() and _STAMP.read_text(encoding="utf-8") == wanted:
        return
    python = _VENV / "bin" / "python"
    if not _has_pip(python):
        run("Python: making .venv", [sys.executable, "-m", "venv", "--clear", _VENV])
    wheels.fetch(stack, python)
    wheels.install(stack, python)
    alone = ("--no-index", "--no-deps", "--no-build-isolation")
    run(
        "Python: installing imagectl",
        [python, "-m", "pip", "install", "--progress-bar", "off", *alone, "--editable", ROOT],
    )
    files.write(_STAMP, wanted)


def _has_pip(python: Path) -> bool:
    """False for a .venv that is missing, or whose making was interrupted."""
    if not python.exists():
        return False
    return subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0


def _fingerprint() -> str:
    return hashlib.sha256(wheels.LOCK.read_bytes() + _PROJECT.read_bytes()).hexdigest()


def _checkout_lock(stack: Stack) -> Path:
    checkout = hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
    return stack.cache_dir / f"venv-{checkout}.lock"


if __name__ == "__main__":
    sys.exit(main())
