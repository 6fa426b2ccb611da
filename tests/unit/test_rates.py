"""How often a key may ask: what can be said, and what an operator is told of what cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagectl.keys.command import keys
from imagectl.keys.folder import KeyFolder
from imagectl.keys.record import MalformedRecord, Record, digest_of, parse
from pipeline import rates

KEY = Record("a" * 64, "press", ("upload",), "laptop", created=1_000, rate="50/s", burst=100)
CREATE = ("create", "--tenant", "press", "--scopes", "upload", "--name", "laptop")


def run(state_dir: Path, *words: str) -> Result:
    return CliRunner().invoke(keys, words, env={"STATE_DIR": str(state_dir)})


@pytest.fixture
def known(tmp_path: Path) -> KeyFolder:
    folder = KeyFolder(tmp_path / "keys", tmp_path / "keys-used")
    folder.make()
    return folder


@pytest.mark.parametrize(
    ("rate", "burst", "told"),
    [
        ("50/s", 100, ("50/s", 100)),
        ("50/s", None, ("50/s", 50)),
        ("600/m", None, ("600/m", 10)),
        ("10/h", None, ("10/h", 1)),
        ("10/h", 10, ("10/h", 10)),
        ("600000/m", 1, ("600000/m", 1)),
    ],
)
def test_a_burst_is_a_seconds_worth_if_none_is_given(
    rate: str, burst: int | None, told: tuple[str, int]
) -> None:
    assert rates.checked(rate, burst) == told


@pytest.mark.parametrize(
    ("rate", "burst", "said"),
    [
        ("50", 1, "the rate is '50'; allowed: 50/s, 600/m or 1000/h, at most 10000/s, or none"),
        ("0/s", 1, "the rate is '0/s'"),
        ("-5/s", 1, "the rate is '-5/s'"),
        ("1.5/s", 1, "the rate is '1.5/s'"),
        ("5/d", 1, "the rate is '5/d'"),
        ("\u0665/s", 1, "the rate is '\u0665/s'"),
        ("10001/s", 1, "the rate is '10001/s'"),
        ("600001/m", 1, "the rate is '600001/m'"),
        ("10/h", 11, "the burst is 11; allowed: 1 to 10, what comes within an hour at 10/h"),
        ("10/h", 0, "the burst is 0"),
    ],
)
def test_what_is_no_rate_is_named_with_what_is_allowed(rate: str, burst: int, said: str) -> None:
    with pytest.raises(ValueError, match="allowed") as refused:
        rates.checked(rate, burst)

    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "none 0"),
        ({"KEY_RATE": "", "KEY_BURST": ""}, "none 0"),
        ({"KEY_RATE": "none"}, "none 0"),
        ({"KEY_RATE": "50/s"}, "50/s 50"),
        ({"KEY_RATE": "50/s", "KEY_BURST": "100"}, "50/s 100"),
    ],
)
def test_keys_that_say_none_have_the_gateways(environment: dict[str, str], told: str) -> None:
    assert rates.usual(environment) == told


def test_a_record_keeps_its_rate_and_where_it_is_counted() -> None:
    for record in (KEY, replace(KEY, rate="none", burst=None), replace(KEY, counted="b" * 64)):
        assert parse(KEY.digest, record.encode()) == record


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rate": "fast"}, "the rate is 'fast'"),
        ({"burst": None}, "burst is None"),
        ({"burst": 10**9}, "the burst is 1000000000"),
        ({"counted": "../x"}, "counted is '../x'"),
    ],
)
def test_a_record_with_another_rate_is_none(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(MalformedRecord) as refused:
        parse(KEY.digest, replace(KEY, **wrong).encode())  # type: ignore[arg-type]

    assert str(refused.value).startswith(said)


def test_a_rate_is_given_shown_changed_and_taken_away(tmp_path: Path, known: KeyFolder) -> None:
    made = run(tmp_path, *CREATE, "--rate", "50/s", "--burst", "100")
    shown = run(tmp_path, "list").stdout
    changed = run(tmp_path, "limit", "laptop", "--rate", "600/m")
    (record,), _ = known.all()
    run(tmp_path, "limit", "laptop", "--rate", "default")
    (last,), _ = known.all()

    assert made.exit_code == changed.exit_code == 0
    assert "50/s, 100 at once" in shown
    assert (record.rate, record.burst) == ("600/m", 10)
    assert "600/m, 10 at once" in changed.stdout
    assert (last.rate, last.burst) == ("", None)


def test_the_key_that_takes_anothers_place_is_counted_with_it(
    tmp_path: Path, known: KeyFolder
) -> None:
    first = run(tmp_path, *CREATE, "--rate", "50/s").stdout.strip()
    second = run(tmp_path, "rotate", "laptop", "--overlap", "1h").stdout.strip()
    third = run(tmp_path, "rotate", "laptop", "--overlap", "1h").stdout.strip()

    found = [known.get(digest_of(key)) for key in (first, second, third)]
    assert [record.counted for record in found if record] == ["", *[digest_of(first)] * 2]
    assert {(record.rate, record.burst) for record in found if record} == {("50/s", 50)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rate", "fast"), "the rate is 'fast'; allowed: 50/s"),
        (("--burst", "5"), "a burst of 5 needs a rate, such as --rate 50/s"),
        (("--rate", "none", "--burst", "5"), "a burst of 5 needs a rate"),
        (("--rate", "10/h", "--burst", "100"), "the burst is 100; allowed: 1 to 10"),
    ],
)
def test_no_key_is_made_with_a_rate_that_is_none(
    tmp_path: Path, known: KeyFolder, words: tuple[str, ...], said: str
) -> None:
    done = run(tmp_path, *CREATE, *words)

    assert said in str(done.exception)
    assert known.all() == ([], [])
