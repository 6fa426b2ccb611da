"""The users that a Redis knows from its start, written from the files of their logins."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.services import credentials
from pipeline.access import accounts
from pipeline.access.accounts import REDIS, SETUP, secret_name
from pipeline.access.redis_user_file import main


def test_it_is_what_a_stacks_secrets_say(tmp_path: Path) -> None:
    credentials.make_for_containers(tmp_path)

    main(tmp_path, tmp_path / "written")

    assert (tmp_path / "written").read_text() == (tmp_path / credentials.REDIS_USERS).read_text()


@pytest.mark.parametrize("name", [SETUP, *(each.name for each in accounts.having(REDIS))])
def test_a_login_that_is_none_is_named(tmp_path: Path, name: str) -> None:
    credentials.make_for_containers(tmp_path)
    path = tmp_path / secret_name(REDIS, name)
    path.unlink()
    path.write_text("no colon")

    with pytest.raises(ValueError, match=f"{path.name} holds no login"):
        main(tmp_path, tmp_path / "written")
