"""Accounts at a Redis that others run: made by whoever may, and no others left."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from local.services import credentials
from local.services.fetch import debian
from pipeline.access import accounts
from pipeline.access.accounts import REDIS, SETUP, secret_name
from pipeline.access.login import Login
from pipeline.errors import SettingsError, Unavailable
from pipeline.settings import Settings
from pipeline.storage import cache_users
from tests.ports import free_ports
from tests.stack import until

NAMES = [account.name for account in accounts.having(REDIS)]


class Elsewhere:
    """A Redis that knows its admin alone."""

    def __init__(self, folder: Path, port: int) -> None:
        self.settings = Settings(
            redis_url=f"redis://127.0.0.1:{port}/0", secrets_dir=str(folder), account=SETUP
        )

    def login(self, name: str) -> Login:
        return replace(self.settings, account=name).secrets.login(REDIS).now()

    def lets_in(self, login: Login) -> bool:
        client = redis.Redis.from_url(
            self.settings.redis_url, username=login.name, password=login.password
        )
        with contextlib.closing(client):
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return False


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    credentials.make_for_containers(tmp_path / "secrets")
    (port,) = free_ports(1)
    found = Elsewhere(tmp_path / "secrets", port)
    users = tmp_path / "users"
    admin = found.login(SETUP)
    users.write_text(f"user default off\nuser {admin.name} on >{admin.password} ~* &* +@all\n")
    binary = tmp_path / "redis-server"
    binary.symlink_to(debian.redis_server())
    address = ("--bind", "127.0.0.1", "--port", str(port))
    command = [str(binary), *address, "--save", "", "--aclfile", str(users)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        until(lambda: _answers(found, admin), 60)
        yield found
    finally:
        process.terminate()
        process.wait(60)


def _answers(elsewhere: Elsewhere, admin: Login) -> bool:
    try:
        return elsewhere.lets_in(admin)
    except redis.ConnectionError:
        return False


def test_every_account_is_let_in_twice_over(elsewhere: Elsewhere) -> None:
    assert not any(elsewhere.lets_in(elsewhere.login(name)) for name in NAMES)

    for _ in range(2):
        cache_users.apply(elsewhere.settings)
        assert all(elsewhere.lets_in(elsewhere.login(name)) for name in NAMES)


def test_a_login_that_was_replaced_is_refused(elsewhere: Elsewhere) -> None:
    cache_users.apply(elsewhere.settings)
    before = elsewhere.login("image-upload")
    after = Login("image-upload-b", "another password")
    path = Path(elsewhere.settings.secrets_dir) / secret_name(REDIS, "image-upload")
    path.unlink()
    path.write_text(str(after))

    cache_users.apply(elsewhere.settings)

    assert elsewhere.lets_in(after)
    assert not elsewhere.lets_in(before)


def test_what_is_missing_or_wrong_is_named(elsewhere: Elsewhere) -> None:
    path = Path(elsewhere.settings.secrets_dir) / secret_name(REDIS, "image-results")
    path.unlink()
    with pytest.raises(SettingsError, match="image-results has no login at redis"):
        cache_users.apply(elsewhere.settings)

    setup = path.with_name(secret_name(REDIS, SETUP))
    setup.unlink()
    setup.write_text("setup:wrong")
    with pytest.raises(Unavailable, match="Redis does not change its users"):
        cache_users.apply(elsewhere.settings)
