"""Keys at the real gateway: a change is in force with the next request, and disturbs no other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imagectl.keys.folder import KeyFolder
from imagectl.keys.record import digest_of
from local.services.commands import example
from tests.gateway import Answer, Connection, Gateway, running_gateway
from tests.stack import ROOT, until

_HOUR = 3600


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    # Where Nginx' workers may enter, too: as on a user's machine, and not as in pytest's folders.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with running_gateway(Path(folder), "image-upload", "guest") as running:
            yield running


def imagectl(gateway: Gateway, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "imagectl", "keys", *words],
        cwd=ROOT,
        env={**os.environ, "STATE_DIR": str(gateway.stack.state_dir)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def created(gateway: Gateway, name: str, scopes: str = "upload,read", *more: str) -> str:
    words = ("--tenant", "press", "--scopes", scopes, "--name", name)
    return imagectl(gateway, "create", *words, *more)


def ask(gateway: Gateway, key: str, target: str = "/function/image-upload") -> Answer:
    return gateway.ask(target, "GET", f"X-Api-Key: {key}")


def folder_of(gateway: Gateway) -> KeyFolder:
    return KeyFolder(gateway.stack.keys_dir, gateway.stack.keys_used_dir)


def test_a_new_key_opens_and_a_revoked_one_does_not_with_the_next_request(
    gateway: Gateway,
) -> None:
    key = created(gateway, "short")
    opened = ask(gateway, key)
    imagectl(gateway, "revoke", "short")
    ended = ask(gateway, key)

    assert opened.status == 200
    assert (ended.status, ended.problem["found"]) == (401, "a key that was revoked")


def test_a_connection_outlives_every_change_of_keys(gateway: Gateway) -> None:
    assert gateway.process is not None
    connection = Connection(gateway.port)
    statuses = []
    key = created(gateway, "kept open")
    for words in (("list",), ("rotate", "kept open", "--overlap", "1h"), ("revoke", "kept open")):
        connection.send(gateway.request("/function/image-upload", "GET", f"X-Api-Key: {key}"))
        statuses.append(connection.read().status)
        imagectl(gateway, *words)
    connection.send(gateway.request("/function/image-upload", "GET", f"X-Api-Key: {key}"))
    statuses.append(connection.read().status)
    connection.close()

    assert statuses == [200, 200, 200, 401]
    assert gateway.process.poll() is None


def test_every_gateway_that_reads_the_folder_knows_the_same_keys(gateway: Gateway) -> None:
    second = Gateway(gateway.provider)
    second.start()
    try:
        key = created(gateway, "both")
        before = [ask(each, key).status for each in (gateway, second)]
        imagectl(gateway, "revoke", "both")
        after = [ask(each, key).status for each in (gateway, second)]
    finally:
        second.stop()

    assert (before, after) == ([200, 200], [401, 401])


def test_no_request_of_another_key_fails_while_keys_are_rotated(gateway: Gateway) -> None:
    key, stopped = created(gateway, "steady"), threading.Event()
    found: list[int] = []

    def load() -> None:
        while not stopped.is_set():
            found.append(ask(gateway, key).status)

    senders = [threading.Thread(target=load) for _ in range(2)]
    for each in senders:
        each.start()
    try:
        current = created(gateway, "turning")
        for _ in range(5):
            current = imagectl(gateway, "rotate", "turning", "--overlap", "1h")
            assert ask(gateway, current).status == 200
            imagectl(gateway, "rotate", "steady", "--overlap", "1h")
    finally:
        stopped.set()
        for each in senders:
            each.join()

    assert set(found) == {200}


def test_a_key_ends_when_its_time_has_come(gateway: Gateway) -> None:
    key = created(gateway, "brief", "read", "--expires", "1h")
    record = folder_of(gateway).get(digest_of(key))
    assert record is not None
    assert record.expires is not None
    first = ask(gateway, key).status

    folder_of(gateway).write(replace(record, expires=record.expires - 2 * _HOUR))
    then = ask(gateway, key)

    assert first == 200
    assert (then.status, then.problem["found"]) == (401, "a key that has expired")


@pytest.mark.parametrize(
    ("scopes", "target", "needed"),
    [
        ("upload,read", "/function/guest", "admin"),
        ("upload,read", "/function/guest.openfaas-fn/x?y=1", "admin"),
        ("read", "/async-function/image-upload", "admin"),
        ("upload", "/async-function/guest", "admin"),
    ],
)
def test_a_key_without_the_scope_is_told_which_it_needs(
    gateway: Gateway, scopes: str, target: str, needed: str
) -> None:
    answer = ask(gateway, created(gateway, "narrow", scopes), target)

    assert answer.status == 403
    problem = answer.problem
    assert (answer.code, problem["allowed"]) == ("forbidden", needed)
    assert problem["found"] == scopes.replace(",", ", ")
    assert problem["detail"] == f"this needs the scope {needed}; the key has {problem['found']}"


def test_a_key_that_allows_everything_calls_functions_of_others(gateway: Gateway) -> None:
    assert ask(gateway, created(gateway, "wide", "admin"), "/function/guest").status == 200


def test_what_is_no_record_opens_nothing(gateway: Gateway) -> None:
    key = created(gateway, "spoilt", "admin")
    file = gateway.stack.keys_dir / digest_of(key)
    whole = file.read_text()
    told = {}
    for text in (
        "",
        "{}",
        "null",
        whole[:40],
        whole.replace('"press"', '"Press"'),
        whole.replace('"press"', '"a b"'),
        whole.replace('"press"', "1"),
        whole.replace('["admin"]', "[]"),
        whole.replace('["admin"]', '"admin"'),
        whole.replace('"expires": null', '"expires": "never"'),
        whole.replace('"revoked": null', '"revoked": false'),
    ):
        file.write_text(text)
        told[text] = ask(gateway, key).status
    file.write_text(whole)

    assert {text for text, status in told.items() if status != 401} == set()
    assert ask(gateway, key).status == 200


def test_it_is_noted_once_a_minute_that_a_key_is_used(gateway: Gateway) -> None:
    key = created(gateway, "used")
    record = folder_of(gateway).get(digest_of(key))
    assert record is not None
    unused = folder_of(gateway).last_used(record)
    ask(gateway, key)
    first = folder_of(gateway).last_used(record)
    file = gateway.stack.keys_used_dir / record.digest
    an_hour_ago = time.time() - _HOUR
    os.utime(file, (an_hour_ago, an_hour_ago))
    ask(gateway, key)
    again = folder_of(gateway).last_used(record)
    written = file.stat().st_mtime_ns
    ask(gateway, key)

    assert unused is None
    assert first is not None
    assert again is not None
    assert again > an_hour_ago + _HOUR / 2
    assert file.stat().st_mtime_ns == written


def test_who_calls_is_known_also_where_it_cannot_be_noted(gateway: Gateway) -> None:
    key, used = created(gateway, "unnoted"), gateway.stack.keys_used_dir
    hidden = used.with_name("hidden")
    used.rename(hidden)
    try:
        status = ask(gateway, key).status
    finally:
        hidden.rename(used)

    assert status == 200


def test_the_log_names_the_key_and_never_shows_it(gateway: Gateway) -> None:
    key = created(gateway, "logged")
    ask(gateway, key)
    ask(gateway, f"{key}x")

    line = f'"tenant":"press","key":"{digest_of(key)[:12]}"'
    until(lambda: line in gateway.log.read_text())
    assert key not in gateway.log.read_text()


def test_a_first_key_that_was_revoked_opens_nothing_after_the_next_start(
    gateway: Gateway,
) -> None:
    key = gateway.key.strip()
    before = ask(gateway, key).status
    imagectl(gateway, "revoke", "first of default")
    again = Gateway(gateway.provider)
    again.start()
    try:
        after = ask(again, key).status
        # `make up` goes on without its picture.
        answer = example.classify(again.stack)
    finally:
        again.stop()

    assert (before, after) == (200, 401)
    assert answer is None
