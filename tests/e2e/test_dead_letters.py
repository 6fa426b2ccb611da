"""`imagectl dead-letters` on a running stack: what failed is found, understood and tried again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.ids import INPUT_BUCKET, input_key
from pipeline.kafka import topics
from tests import pictures
from tests.chaos import buckets, evidence
from tests.imagectl import imagectl
from tests.kafka import count_events
from tests.sending import PATIENT, accepted, publish
from tests.stack import Stack, until

UNREADABLE = b"\xff\x1b[31m not an event " + os.urandom(8)


@pytest.fixture(scope="module", autouse=True)
def counted(stack: Stack, quiet: None) -> Iterator[None]:
    """Every upload is one event: none is answered 503 and written all the same."""
    with stack.given("image-upload", **PATIENT):
        yield


def listed(stack: Stack, *words: str) -> list[dict[str, Any]]:
    done = imagectl(stack, "dead-letters", "list", "--json", *words)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def shown(stack: Stack, *names: str) -> list[dict[str, Any]]:
    done = imagectl(stack, "dead-letters", "show", "--json", *names)
    assert done.returncode == 0, done.stderr
    pages: list[dict[str, Any]] = json.loads(done.stdout)
    return pages


def replayed(stack: Stack, *words: str) -> dict[str, int]:
    done = imagectl(stack, "dead-letters", "replay", "--json", *words)
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stdout)
    return counts


def unreadable(stack: Stack) -> dict[str, Any] | None:
    """The letter of what was published here; other tests publish what is no event, too."""
    names = [row["letterId"] for row in listed(stack) if row["unreadable"]]
    pages = shown(stack, *names) if names else []
    return next((page for page in pages if page["hex"] == UNREADABLE.hex()), None)


def written(stack: Stack) -> list[int]:
    """Count the events of every topic, when those of what was sent are all there."""
    until(lambda: evidence.lag(stack) == 0)
    return [count_events(stack, topic.name) for topic in topics.TOPICS]


class Missing:
    """A job that failed because its image was taken out of the bucket before its turn."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.picture = pictures.with_nonce(pictures.jpeg(), os.urandom(8))
        with stack.frozen("image-process-consumer"):
            job = accepted(stack, self.picture)
            self.job_id, self.image_id = job["jobId"], job["imageId"]
            self._remove()
        self.state = stack.finished(self.job_id)
        until(lambda: listed(stack, self.job_id) or None)

    def put_back(self) -> None:
        self.stack.store.put(INPUT_BUCKET, self._key, self.picture, "image/jpeg")

    def completes(self) -> None:
        """Wait until the job is completed: it says failed until then."""
        until(lambda: self.stack.finished(self.job_id)["status"] == "completed")

    def _remove(self) -> None:
        buckets.client(self.stack).remove_object(INPUT_BUCKET, self._key)

    @property
    def _key(self) -> str:
        return input_key("default", self.image_id, "jpg")


def test_a_job_that_failed_completes_after_its_replay(stack: Stack) -> None:
    missing = Missing(stack)
    error: Any = missing.state["error"]
    assert (missing.state["status"], error["code"]) == ("failed", "image-missing")
    (letter,) = listed(stack, missing.job_id)
    missing.put_back()

    counts = replayed(stack, letter["letterId"])

    missing.completes()
    assert counts == {"open": 1, "replayed": 1, "before": 0}
    assert listed(stack, missing.job_id) == []
    (closed,) = listed(stack, missing.job_id, "--all")
    assert closed["replayed"]


def test_replaying_twice_changes_nothing(stack: Stack) -> None:
    missing = Missing(stack)
    missing.put_back()
    replayed(stack, missing.image_id)
    missing.completes()
    events = written(stack)

    again = replayed(stack, missing.image_id)

    assert again == {"open": 0, "replayed": 0, "before": 1}
    assert written(stack) == events


def test_a_replay_that_fails_again_is_a_new_letter(stack: Stack) -> None:
    missing = Missing(stack)
    (first,) = listed(stack, missing.job_id)

    replayed(stack, missing.job_id)

    (second,) = until(lambda: listed(stack, missing.job_id) or None)
    assert second["letterId"] != first["letterId"]
    assert (second["replays"], second["attempts"]) == (1, 1)
    assert len(listed(stack, missing.job_id, "--all")) == 2


def test_a_job_that_fails_again_shows_the_newer_reason(stack: Stack) -> None:
    missing = Missing(stack)
    stack.store.put(INPUT_BUCKET, missing._key, b"something else", "image/jpeg")

    replayed(stack, missing.job_id)

    def says_so() -> bool:
        error: Any = stack.finished(missing.job_id)["error"]
        return bool(error["code"] == "image-changed")

    until(says_so)


def test_a_dry_run_sends_nothing(stack: Stack) -> None:
    missing = Missing(stack)
    events = written(stack)

    done = imagectl(stack, "dead-letters", "replay", "--dry-run", missing.job_id)

    assert done.stdout == "would replay 1; 0 had been replayed before\n"
    assert written(stack) == events


def test_an_unreadable_message_is_shown_and_replayed_as_it_was(stack: Stack) -> None:
    publish(stack, topics.UPLOADS.name, UNREADABLE, "key")

    page = until(lambda: unreadable(stack))
    text = imagectl(stack, "dead-letters", "show", page["letterId"]).stdout
    replayed(stack, page["letterId"])

    assert (page["reason"]["code"], page["originTopic"]) == ("malformed-event", topics.UPLOADS.name)
    assert bytes.fromhex(page["hex"]) == UNREADABLE
    assert "not JSON" in page["reason"]["detail"]
    assert "ff 1b 5b 33 31 6d 20 6e 6f 74" in text
    assert "\x1b" not in text
    again = until(lambda: unreadable(stack))
    assert again["letterId"] != page["letterId"]


def test_the_list_and_the_page_name_what_failed(stack: Stack) -> None:
    missing = Missing(stack)

    table = imagectl(stack, "dead-letters", "list", "--reason", "image-missing").stdout
    page = imagectl(stack, "dead-letters", "show", missing.job_id).stdout

    assert missing.image_id[:12] in table
    assert "the stored image is gone" in table
    assert all(each in page for each in (missing.job_id, missing.image_id, "image-missing"))


def test_all_of_a_filter_are_replayed_at_once(stack: Stack) -> None:
    several = [Missing(stack) for _ in range(3)]
    for missing in several:
        missing.put_back()
    (since,) = {listed(stack, several[0].job_id)[0]["time"]}

    counts = replayed(stack, "--reason", "image-missing", "--tenant", "default", "--since", since)

    for missing in several:
        missing.completes()
    assert counts == {"open": 3, "replayed": 3, "before": 0}


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["replay"], 2, "say which letters: IDS or filters, or --all"),
        (["replay", "--all", "x"], 2, "say which letters"),
        (["replay", "nobody"], 1, "error: there is no dead letter nobody"),
        (["show", "nobody"], 1, "error: there is no dead letter nobody"),
        (["list", "--since", "soon"], 2, "'soon' is no time"),
    ],
)
def test_what_cannot_be_done_says_why(
    stack: Stack, words: list[str], status: int, says: str
) -> None:
    done = imagectl(stack, "dead-letters", *words)

    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr


def test_a_broker_that_is_not_there_is_said(stack: Stack) -> None:
    with stack.frozen("kafka"):
        done = imagectl(stack, "dead-letters", "list")

    assert done.returncode == 1
    assert "error: Kafka does not answer" in done.stderr
