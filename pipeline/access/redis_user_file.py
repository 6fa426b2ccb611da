"""Writes the users that a Redis knows from its start, of the logins in SECRETS_DIR.

`python -m pipeline.access.redis_user_file FILE` does it, for a Redis whose logins others have made.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pipeline.access import accounts
from pipeline.access.accounts import REDIS, SETUP, secret_name
from pipeline.access.login import Login
from pipeline.access.redis_users import user_file


def main(secrets_dir: Path, target: Path) -> None:
    """Write the file.

    Raises:
        OSError: a login cannot be read, or the file not written.
        ValueError: a file holds no login.
    """
    known = accounts.having(REDIS)
    names = [*(account.name for account in known), SETUP]
    logins = {name: _login(secrets_dir / secret_name(REDIS, name)) for name in names}
    target.write_text(user_file(known, logins), encoding="utf-8")


def _login(path: Path) -> Login:
    try:
        return Login.parse(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} holds no login: {error}") from error


if __name__ == "__main__":
    try:
        main(Path(os.environ["SECRETS_DIR"]), Path(sys.argv[1]))
    except (OSError, ValueError) as error:
        sys.exit(f"redis users: {error}")
