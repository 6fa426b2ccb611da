"""A watchdog's settings are read as OpenFaaS documents them, and each mistake is named."""

from __future__ import annotations

import pytest

from local.watchdog.problem import CODES
from local.watchdog.request_environment import marshal, variables
from local.watchdog.settings import MAX_SECONDS, Settings, WrongSettings, read
from tests.unit.test_problem_codes import SERVER


def settings(**env: str) -> Settings:
    return read(["--mode", "classic", "--max-body-bytes", "10", "--", "cat"], env)


def test_a_duration_is_a_year_at_most() -> None:
    assert settings(exec_timeout="99999999h").exec_timeout == MAX_SECONDS


def test_a_request_may_take_the_shorter_of_both_limits() -> None:
    assert settings().limit_seconds == 0
    assert settings(exec_timeout="5s").limit_seconds == 5
    assert settings(exec_timeout="5s", write_timeout="4s").limit_seconds == 4
    assert settings(exec_timeout="0", write_timeout="4s").limit_seconds == 4


def test_unhealthy_time_is_the_provider_s_where_it_says_one() -> None:
    assert settings().grace_seconds == 10
    assert settings(healthcheck_interval="3s").grace_seconds == 3
    assert settings(healthcheck_interval="3s", SHUTDOWN_GRACE_SECONDS="0").grace_seconds == 0


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"write_timeout": "x"}, "write_timeout='x': expected a duration"),
        ({"max_inflight": "many"}, "max_inflight='many': expected a whole number"),
        ({"combine_output": "maybe"}, "combine_output='maybe': expected true or false"),
        ({"content_type": "a\r\nb"}, "content_type='a.*': expected printable ASCII"),
        ({"ready_path": "ready"}, "ready_path='ready': expected a path"),
    ],
)
def test_mistakes_are_named(env: dict[str, str], message: str) -> None:
    with pytest.raises(WrongSettings, match=message):
        settings(**env)


def test_words_before_the_process_are_what_limits_it() -> None:
    arguments = ["--mode", "http", "--max-body-bytes", "1", "--limit-words", "2", "--"]
    told = read([*arguments, "prlimit", "--data=1", "python", "-u", "index.py"], {})

    assert told.limit == ("prlimit", "--data=1")
    assert told.process == ("python", "-u", "index.py")


def test_headers_become_variables_that_any_program_can_read() -> None:
    headers = [("x-a.b", "1"), ("Cookie", "c"), ("cookie", "d"), ("CONTENT-TYPE", "t")]

    told = dict(variables("PUT", "/p", "a=b", headers, 3))

    assert told == {
        "Http_X_A_b": "1",
        "Http_Cookie": "c, d",
        "Http_Content_Type": "t",
        "Http_Method": "PUT",
        "Http_Path": "/p",
        "Http_Query": "a=b",
        "Http_ContentLength": "3",
    }


def test_marshalled_headers_are_lists() -> None:
    assert marshal([("a", "1"), ("A", "2")], b"") == (
        b'{"header": {"A": ["1", "2"]}, "body": {"raw": ""}}'
    )


def test_codes_are_those_of_functions_servers() -> None:
    known = SERVER.read_text(encoding="utf-8")
    own = {502: "function-broke-off"}  # as the provider calls it

    assert [it for it in CODES.items() if f'{it[0]}: "{it[1]}"' not in known] == [*own.items()]
