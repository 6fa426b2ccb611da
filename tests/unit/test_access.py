"""Who may do what: the table names what there is, and each service is told what it says."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pipeline.access import accounts
from pipeline.access.accounts import ACCOUNTS, GROUPS, KAFKA, MINIO, REDIS, SETUP, Account
from pipeline.access.kafka_grants import Grant, grants
from pipeline.access.login import Login, LoginFile, names_of, new
from pipeline.access.minio_policies import policy
from pipeline.access.redis_users import rules, user_file
from pipeline.errors import SettingsError
from pipeline.ids import BUCKETS
from pipeline.kafka.topics import TOPICS
from pipeline.settings import Settings

ROOT = Path(__file__).parents[2]


def places(service: str) -> set[str]:
    """What the rights at a service are about, verbs left out."""
    rights = (right for account in ACCOUNTS for right in account.rights(service))
    return {right.partition(" ")[2] for right in rights}


def test_the_table_names_every_bucket_and_no_other() -> None:
    assert {place.partition("/")[0] for place in places(MINIO)} == set(BUCKETS)


def test_the_table_names_every_topic_and_no_other() -> None:
    topics = {place for place in places(KAFKA) if not place.startswith("group ")}

    assert topics - {"cluster"} == {topic.name for topic in TOPICS}


def test_the_groups_are_those_that_settings_name() -> None:
    named = {place.removeprefix("group ") for place in places(KAFKA) if place.startswith("group ")}

    assert named == {*GROUPS, "*"}
    assert set(GROUPS.values()) <= {field.name for field in fields(Settings)}


def test_no_function_writes_a_result_event_and_one_alone_writes_results() -> None:
    writers = {each.name for each in ACCOUNTS if "write image-results" in each.kafka}
    storing = {each.name for each in ACCOUNTS if "put classification-results/*" in each.minio}

    assert (writers, storing) == ({"image-process-consumer"}, {"image-classifier"})


def test_the_page_on_security_shows_the_table() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \| (.*) \| (.*) \|$", text, re.MULTILINE)
    shown = {name: tuple(cells) for name, *cells in rows}

    expected = {
        account.name: tuple(
            "; ".join(account.rights(service)) or "–" for service in accounts.SERVICES
        )
        for account in ACCOUNTS
    }
    assert shown == expected


def test_stack_yml_gives_a_function_its_own_logins_alone() -> None:
    text = (ROOT / "stack.yml").read_text(encoding="utf-8")
    blocks = re.split(r"^  (image-\w+):$", text, flags=re.MULTILINE)[1:]
    given = dict(zip(blocks[::2], blocks[1::2], strict=True))
    logins = re.compile(r"\b(?:minio|kafka|redis)-[\w-]+")

    for name, block in given.items():
        listed = re.search(r"secrets: \[(.*)\]", block)
        assert listed
        (account,) = (each for each in ACCOUNTS if each.name == name)
        expected = {
            accounts.secret_name(service, name)
            for service in accounts.SERVICES
            if account.rights(service)
        }
        assert set(logins.findall(listed[1])) == expected


def test_a_policy_allows_what_the_account_may() -> None:
    account = Account("some", minio=("get a/*", "put a/*", "get b/only", "list b", "list a/c/*"))

    assert policy(account)["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": ["arn:aws:s3:::a/*", "arn:aws:s3:::b/only"],
        },
        {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::a/*"]},
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::b"]},
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": ["arn:aws:s3:::a"],
            "Condition": {"StringLike": {"s3:prefix": ["c/*"]}},
        },
    ]


def test_kafka_is_told_operations_on_topics_and_groups() -> None:
    account = Account("some", kafka=("write a", "follow b", "join group images"))

    assert grants(account, {"images": "own-name"}) == [
        Grant("group", "own-name", "READ"),
        Grant("topic", "a", "WRITE"),
        Grant("topic", "b", "DESCRIBE"),
    ]


def test_redis_is_told_keys_and_commands_and_no_password() -> None:
    account = Account("some", redis=("get result:*",))
    logins = {"some": Login("some-a", "secret"), SETUP: Login(SETUP, "other")}

    nobody, setup, some = user_file([account], logins).splitlines()

    assert nobody.startswith("user default off ")
    assert setup.endswith("~* &* +@all")
    assert re.fullmatch(
        r"user some-a reset on #[0-9a-f]{64} %R~result:\* \+ping \+get \+mget", some
    )


def test_a_key_may_be_removed_and_a_login_may_be_good_for_nothing_but_an_answer() -> None:
    login = Login("some-a", "secret")

    marks = rules(Account("some", redis=("put a:*", "remove a:*")), login)
    nothing = rules(Account("some", redis=("ping",)), login)

    assert marks[3:] == ["%W~a:*", "+ping", "+set", "+del", "+evalsha", "+script|load"]
    assert nothing[3:] == ["+ping"]


def told_to_all(account: Account) -> None:
    policy(account)
    grants(account, {})
    user_file([account], {"some": Login("a", "b"), SETUP: Login("c", "d")})


@pytest.mark.parametrize(
    "account",
    [
        Account("some", minio=("delete a/*",)),
        Account("some", kafka=("own a",)),
        Account("some", redis=("delete a",)),
    ],
)
def test_a_verb_that_there_is_not_is_named(account: Account) -> None:
    with pytest.raises(ValueError, match=r"delete|own"):
        told_to_all(account)


def test_a_login_that_takes_anothers_place_has_the_other_name() -> None:
    first = new("some")
    second = new("some", first)
    third = new("some", second)

    assert (first.name, second.name) == names_of("some")
    assert third.name == first.name
    assert len({each.password for each in (first, second, third)}) == 3


def test_a_login_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    now = [0.0]
    file = LoginFile(tmp_path / "login", Login.parse, lambda: now[0])
    file.path.write_text("some-a:first\n")
    first = file.now()
    file.path.write_text("some-b:second-one")

    assert file.now() is first  # it is looked for each second
    now[0] += 1
    assert file.now() == Login("some-b", "second-one")


@pytest.mark.parametrize("content", [None, "", "half"])
def test_a_login_that_cannot_be_read_for_a_moment_stays(
    tmp_path: Path, content: str | None
) -> None:
    now = [0.0]
    file = LoginFile(tmp_path / "login", Login.parse, lambda: now[0])
    file.path.write_text("some-a:first")
    first = file.now()
    now[0] += 1
    file.path.unlink()
    if content is not None:
        file.path.write_text(content)

    assert file.now() is first


@pytest.mark.parametrize("content", [None, "nobody"])
def test_a_process_without_a_login_says_whose_is_missing_where(
    tmp_path: Path, content: str | None
) -> None:
    if content:
        (tmp_path / "minio-image-upload").write_text(content)

    with pytest.raises(SettingsError, match="minio-image-upload"):
        Settings(secrets_dir=str(tmp_path), account="image-upload").secrets.login(MINIO)


def test_whoever_uses_redis_is_known_there() -> None:
    assert [each.name for each in accounts.having(REDIS)] == [
        "image-upload",
        "image-classifier",
        "image-results",
        "imagectl",
    ]
