"""Whether the secrets are there, and whether nobody else can read them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import Finding, Wrong, of, unseen
from imagectl.doctor.stack_file import Unreadable, read
from pipeline.errors import SettingsError

_OTHERS = 0o077
# Where each process is a user of its own: it comes to the one file that its group reads.
_PRIVATE, _ONE_READER, _PASSED_THROUGH = 0o600, 0o640, 0o711
# As they are made for containers, whose users are others: the folder keeps everybody away, or they
# are mounted into this container alone.
_MOUNTED = 0o444
_MOUNT = Path("/run/secrets")
# Whoever operates the functions has these.
_OPERATORS = ("basic-auth-user", "basic-auth-password")


def examine(deployment: Deployment) -> list[Finding]:
    """Look at the folder, at every file in it, and at the keys beside it."""
    folder = deployment.secrets_dir
    is_named = bool(deployment.environment.get("SECRETS_DIR")) or deployment.is_local
    if not is_named:
        return [unseen("secrets", "`make up` makes them; or SECRETS_DIR names where they are")]
    if not folder.is_dir():
        found = f"there is no folder {folder}"
        change = "SECRETS_DIR names it; `make up` and `python3 -m local.services.credentials` make"
        return [of("secrets", [Wrong(found, "a folder of secrets", f"{change} them")], "")]
    users = deployment.users if deployment.is_local else range(0)
    beside = deployment.state_dir.glob("*-key") if deployment.is_local else iter(())
    there = [path for path in (*folder.iterdir(), *beside) if path.is_file()]
    wrong = [
        *_missing(folder, _needed(deployment)),
        *(each for path in there if path.name[:1] != "." for each in _of_file(path, users)),
        *_of_folder(folder, users),
    ]
    return [of("secrets", wrong, f"{len(there)} in {folder}, nobody else's to read")]


def _needed(deployment: Deployment) -> Iterable[str]:
    if deployment.secrets_dir == _MOUNT:
        return _OPERATORS  # a container has no more than it needs
    try:
        described = read(deployment.stack_file, deployment.environment)
    except (Unreadable, SettingsError):
        return _OPERATORS
    return dict.fromkeys((*_OPERATORS, *(name for each in described for name in each.secrets)))


def _missing(folder: Path, names: Iterable[str]) -> list[Wrong]:
    change = "make it: `make up` and `python3 -m local.services.credentials` make what is missing"
    return [
        Wrong(f"{name} is missing", "every secret that stack.yml names", change)
        for name in names
        if not (folder / name).is_file()
    ]


def _of_file(path: Path, users: range) -> list[Wrong]:
    found = path.stat()
    mode = found.st_mode & 0o777
    if mode == _ONE_READER and found.st_uid == 0 and found.st_gid in users:
        mode = _PRIVATE  # the group of one process
    is_kept_away = path.parent == _MOUNT or not path.parent.stat().st_mode & _OTHERS
    if mode & _OTHERS and not (mode == _MOUNTED and is_kept_away):
        return [Wrong(f"{path} has mode {mode:04o}", "0600: its owner alone", f"chmod 600 {path}")]
    if not path.stat().st_size:
        return [Wrong(f"{path} is empty", "a secret", "remove it: it is made anew")]
    return []


def _of_folder(folder: Path, users: range) -> list[Wrong]:
    mode = folder.stat().st_mode & 0o777
    is_passed_through = bool(users) and mode == _PASSED_THROUGH
    if folder == _MOUNT or is_passed_through or not mode & _OTHERS:
        return []
    return [Wrong(f"{folder} has mode {mode:04o}", "0700", f"chmod 700 {folder}")]
