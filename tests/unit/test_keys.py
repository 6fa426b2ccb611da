"""API keys: what is kept of one, which files become keys at a start, the operator's commands."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagectl.keys import first, folder
from imagectl.keys.command import keys
from imagectl.keys.folder import KeyFolder
from imagectl.keys.record import (
    EXPIRED,
    LIVE,
    REVOKED,
    MalformedRecord,
    Record,
    digest_of,
    parse,
)
from imagectl.moments import EXPIRY, LENGTH
from pipeline.errors import PipelineError, SettingsError

KEY = Record("a" * 64, "press", ("upload", "read"), "laptop", created=1_000, expires=2_000)


class Stack:
    """A state folder as a stack has it, and imagectl beside it."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.folder = KeyFolder(state_dir / "keys", state_dir / "keys-used")

    def start(self) -> list[Record]:
        return first.main({"STATE_DIR": str(self.state_dir), "API_KEYS_DIR": str(self.state_dir)})

    def run(self, *words: str, **environment: str) -> Result:
        return CliRunner().invoke(
            keys, words, env={"STATE_DIR": str(self.state_dir), **environment}
        )

    def made(self, *words: str, tenant: str = "press", scopes: str = "upload,read") -> str:
        done = self.run("create", "--tenant", tenant, "--scopes", scopes, *words)
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    def listed(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.run("list", "--all", "--json").stdout)
        return found

    def state(self, key: str) -> str:
        record = self.folder.get(digest_of(key))
        return record.state(time.time()) if record else "unknown"


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    stack = Stack(tmp_path)
    for file in ("api-key", "prove-api-key"):
        (tmp_path / file).write_text(f"the {file}\n")
    stack.start()
    return stack


def test_a_record_is_read_as_it_was_written_with_what_later_versions_say() -> None:
    record = replace(KEY, more={"color": 5, "shades": {"dark": 7}})

    assert parse(KEY.digest, record.encode()) == record


@pytest.mark.parametrize(
    ("revoked", "now", "state"),
    [(None, 1_999.9, LIVE), (None, 2_000.0, EXPIRED), (1_500, 1_000.0, REVOKED)],
)
def test_a_key_opens_until_it_expires_or_is_revoked(
    revoked: int | None, now: float, state: str
) -> None:
    assert replace(KEY, revoked=revoked).state(now) == state


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"tenant": "Press"}, "tenant is 'Press'"),
        ({"tenant": "failures"}, "tenant is 'failures'"),
        ({"tenant": "cancelled"}, "tenant is 'cancelled'"),
        ({"scopes": []}, "scopes is"),
        ({"scopes": ["root"]}, r"scopes is \['root'\]; allowed: a list of upload, read, admin"),
        ({"scopes": "upload"}, "scopes is 'upload'"),
        ({"expires": "tomorrow"}, "expires is 'tomorrow'"),
        ({"revoked": True}, "revoked is True"),
        ({"created": -1}, "created is -1"),
        ({"name": 1}, "name is 1"),
    ],
)
def test_what_is_no_record_is_refused_by_its_field(change: dict[str, object], named: str) -> None:
    told = {**json.loads(KEY.encode()), **change}

    with pytest.raises(MalformedRecord, match=named):
        parse(KEY.digest, json.dumps(told))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"text"'])
def test_what_is_no_object_is_no_record(text: str) -> None:
    with pytest.raises(MalformedRecord, match="it is no JSON"):
        parse(KEY.digest, text)


def test_the_files_of_a_start_become_keys_once(stack: Stack) -> None:
    found = {str(each["file"]): each for each in stack.listed()}

    assert stack.start() == []
    assert found["api-key"]["tenant"] == "default"
    assert found["api-key"]["scopes"] == ["upload", "read", "admin"]
    assert found["prove-api-key"]["tenant"] == "prove"
    assert found["prove-api-key"]["scopes"] == ["upload", "read"]
    assert {stack.state("the api-key"), stack.state("the prove-api-key")} == {LIVE}


def test_a_first_key_that_was_revoked_does_not_come_back(stack: Stack) -> None:
    assert stack.run("revoke", "first of default").exit_code == 0

    assert stack.start() == []
    assert stack.state("the api-key") == REVOKED


def test_another_key_in_a_first_file_takes_the_place_of_the_earlier(stack: Stack) -> None:
    (stack.state_dir / "api-key").write_text("one of the operator's own")

    (taken,) = stack.start()

    assert (taken.file, taken.tenant) == ("api-key", "default")
    assert stack.state("one of the operator's own") == LIVE
    assert stack.state("the api-key") == REVOKED
    assert stack.state("the prove-api-key") == LIVE


def test_an_empty_first_file_is_named(stack: Stack) -> None:
    (stack.state_dir / "api-key").write_text(" \n")

    with pytest.raises(SettingsError, match="api-key is empty; it is to hold an API key"):
        stack.start()


def test_a_key_is_printed_alone_and_kept_nowhere(stack: Stack) -> None:
    done = stack.run("create", "--tenant", "press", "--scopes", "read", "--name", "laptop")

    key = done.stdout.removesuffix("\n")
    assert len(key) == 43
    assert key not in done.stderr
    assert "It is not shown again." in done.stderr
    kept = "".join(path.read_text() for path in (stack.state_dir / "keys").iterdir())
    assert key not in kept
    assert stack.folder.get(digest_of(key)) is not None
    modes = {path.stat().st_mode & 0o777 for path in (stack.state_dir / "keys").iterdir()}
    assert modes == {0o640}
    assert (stack.state_dir / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("--tenant", "Press", "the tenant is 'Press'; allowed: 1 to 63 of a-z, 0-9 and -"),
        ("--tenant", "failures", "the tenant is 'failures'"),
        ("--tenant", "cancelled", "the tenant is 'cancelled'"),
        ("--tenant", "a/b", "the tenant is 'a/b'"),
        ("--tenant", "a" * 64, "the tenant is "),
        ("--scopes", "upload,root", "the scopes are 'upload,root'; allowed: upload, read, admin"),
        ("--scopes", "", "the scopes are ''"),
        ("--name", "a\nb", "the name is "),
        ("--name", "x" * 64, "the name is "),
    ],
)
def test_what_cannot_be_a_key_is_refused_with_what_is_allowed(
    stack: Stack, option: str, text: str, said: str
) -> None:
    given = {"--tenant": "press", "--scopes": "read", option: text}
    before = len(stack.listed())

    done = stack.run("create", *(word for pair in given.items() for word in pair))

    assert isinstance(done.exception, PipelineError)
    assert said in str(done.exception)
    assert len(stack.listed()) == before


def test_there_are_only_so_many_keys(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MOST_KEYS", 3)
    stack.made()

    done = stack.run("create", "--tenant", "press", "--scopes", "read")

    assert "there are 3 keys; 3 may be kept" in str(done.exception)


def test_a_rotated_key_works_on_beside_the_new_one_for_the_overlap(stack: Stack) -> None:
    old = stack.made("--name", "laptop", "--expires", "30d")

    done = stack.run("rotate", "laptop", KEY_OVERLAP_SECONDS="60")

    new = done.stdout.strip()
    assert (stack.state(old), stack.state(new)) == (LIVE, LIVE)
    before, after = stack.folder.get(digest_of(old)), stack.folder.get(digest_of(new))
    assert before is not None
    assert after is not None
    assert before.expires == after.created + 60
    assert before.replaced_by == after.id
    assert (after.tenant, after.scopes, after.name) == ("press", ("upload", "read"), "laptop")
    assert after.expires == after.created + 30 * 86_400


def test_the_overlap_makes_no_key_live_longer(stack: Stack) -> None:
    old = stack.made("--name", "laptop", "--expires", "1m")
    ends = stack.folder.get(digest_of(old))

    stack.run("rotate", "laptop", "--overlap", "1h")

    after = stack.folder.get(digest_of(old))
    assert after is not None
    assert ends is not None
    assert after.expires == ends.expires


def test_without_an_overlap_the_old_key_ends_at_once(stack: Stack) -> None:
    old = stack.made("--name", "laptop")

    stack.run("rotate", "laptop", "--overlap", "0s")

    assert stack.state(old) == EXPIRED


def test_a_rotated_first_key_is_where_the_pages_commands_look_for_it(stack: Stack) -> None:
    done = stack.run("rotate", "first of default")

    file = stack.state_dir / "api-key"
    assert file.read_text() == done.stdout.strip()
    assert file.stat().st_mode & 0o777 == 0o600
    assert stack.start() == []
    assert stack.state("the api-key") == LIVE


def test_a_replaced_or_ended_key_is_not_rotated(stack: Stack) -> None:
    old = stack.made("--name", "laptop")
    identity = digest_of(old)[:12]
    stack.run("rotate", identity)
    other = stack.made("--name", "other")
    stack.run("revoke", digest_of(other)[:12])

    again = stack.run("rotate", identity)
    ended = stack.run("rotate", digest_of(other)[:12])

    assert "was replaced by" in str(again.exception)
    assert "is revoked; only a live key can be rotated" in str(ended.exception)


def test_two_keys_of_one_name_are_told_apart_to_rotate_and_revoked_together(stack: Stack) -> None:
    both = [stack.made("--name", "laptop"), stack.made("--name", "laptop", tenant="other")]

    rotated = stack.run("rotate", "laptop")
    revoked = stack.run("revoke", "laptop")

    assert "2 keys have the name 'laptop'; say which: " in str(rotated.exception)
    assert revoked.exit_code == 0
    assert [stack.state(key) for key in both] == [REVOKED, REVOKED]


def test_a_key_that_is_not_there_is_named(stack: Stack) -> None:
    done = stack.run("revoke", "nobody")

    assert "no key has the id 'nobody'" in str(done.exception)


def test_the_list_shows_live_keys_and_warns_of_files_that_are_none(stack: Stack) -> None:
    gone = stack.made("--name", "gone")
    stack.run("revoke", "gone")
    (stack.state_dir / "keys" / ("b" * 64)).write_text("{}")

    shown, everything = stack.run("list"), stack.run("list", "--all")

    assert digest_of(gone)[:12] not in shown.stdout
    assert digest_of(gone)[:12] in everything.stdout
    assert "is no record of a key: tenant is None" in shown.stderr
    assert shown.exit_code == 0


def test_without_a_folder_it_is_said_where_one_would_be(tmp_path: Path) -> None:
    done = Stack(tmp_path / "nothing").run("list")

    assert isinstance(done.exception, SettingsError)
    assert "STATE_DIR or KEYS_DIR says where they are" in str(done.exception)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("12h", 43_200), ("0s", 0)]
)
def test_lengths_are_typed_with_their_unit(text: str, seconds: int) -> None:
    assert LENGTH.convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ("text", "ahead"), [("30d", 30 * 86_400), ("9999-12-31", None), ("never", float("inf"))]
)
def test_an_expiry_is_a_time_to_come(text: str, ahead: float | None) -> None:
    found = EXPIRY.convert(text, None, None)

    assert found > time.time()
    if ahead is not None:
        assert found == pytest.approx(time.time() + ahead, abs=60)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (EXPIRY.convert, "2020-01-01"),
        (EXPIRY.convert, "0s"),
        (EXPIRY.convert, "soon"),
        (EXPIRY.convert, "999999999d"),
        (LENGTH.convert, "-1s"),
        (LENGTH.convert, "soon"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(
    kind: Callable[[str, None, None], float], text: str
) -> None:
    with pytest.raises(Exception, match="allowed: "):
        kind(text, None, None)
