"""Images that cannot be decoded are held once each with their reason; what can be mended replays.

One in a hundred is poison, then all are, then the dead-letter topic takes no letter: then nothing
is committed. At last images whose input is taken away fail, and complete when it is back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from pathlib import Path

from minio import Minio

from pipeline.ids import INPUT_BUCKET, input_key
from pipeline.kafka import topics
from tests.chaos import evidence
from tests.chaos.faults import CONSUMER
from tests.chaos.findings import Finding, Size, reported
from tests.chaos.ledger import GOOD, POISON, Entry
from tests.chaos.pictures import poison
from tests.chaos.refusals import have_failed, refusing
from tests.chaos.storm import findings_of
from tests.chaos.traces import Evidence
from tests.chaos.trial import Trial
from tests.imagectl import imagectl
from tests.kafka import count_events
from tests.local_stack import LocalStack, running_stack
from tests.stack import until

GOAL = "R7"

# Images with 1 % poison; poison alone; poison while letters are refused; images taken away.
_COUNTS = {Size.SHORT: (200, 60, 6, 10), Size.FULL: (3_000, 500, 60, 60)}
# Fewer than the poison that comes in a row: damaged images alone must not stop the consumer.
_BREAKER_FAILURES = "30"
# A letter whose acknowledgement comes late is written twice: it may be, and is not looked at here.
_ACKNOWLEDGEMENT_SECONDS = "30"
_SECONDS_PER_IMAGE = 0.2
_PATIENCE_SECONDS = 300.0
# How long nothing must be committed once every letter was refused; each is tried twice a second.
_REFUSED_SECONDS = 2.0


def run(size: Size, folder: Path) -> list[Finding]:
    """Run the four acts on one stack, then look at every letter."""
    mixed, alone, refused, taken = _COUNTS[size]
    settings = {
        "BREAKER_FAILURES": _BREAKER_FAILURES,
        "PRODUCE_TIMEOUT_SECONDS": _ACKNOWLEDGEMENT_SECONDS,
    }
    with running_stack(folder / "state", settings=settings) as stack:
        trial = Trial(stack, folder)
        _upload(trial, mixed, poison_every=100)
        _upload(trial, alone, poison_every=1)
        evidence.drain(stack, (mixed + alone) * _SECONDS_PER_IMAGE + _PATIENCE_SECONDS)
        found = [_refusal(trial, refused), *_replay(trial, taken)]
        verdict, left = trial.judge()
        entries = [entry for entry in trial.entries() if entry.is_accepted]
    what = f"{mixed:,} images with 1 % poison, then {alone:,} and {refused} poison alone"
    poisoned = [entry for entry in entries if entry.kind == POISON]
    return [*findings_of(GOAL, what, verdict), _held(poisoned, left), *found]


def _upload(trial: Trial, images: int, poison_every: int | None = None) -> list[Entry]:
    before = sum(1 for _ in trial.entries())
    bad = poison() if poison_every else None
    with trial.load(poison=bad, poison_every=poison_every or images) as load:
        load.run(accepted=images, seconds=images * _SECONDS_PER_IMAGE + _PATIENCE_SECONDS)
    return [entry for entry in list(trial.entries())[before:] if entry.is_accepted]


def _held(poisoned: Collection[Entry], left: Evidence) -> Finding:
    """Each has one letter, which is whole, says why, and cost one attempt."""
    letters = [left.letters.get(entry.job_id or "") for entry in poisoned]
    good = [each for each in letters if each and (each.times, each.attempts) == (1, 1)]
    held = sum(each.is_whole and each.reason.startswith("damaged-image") for each in good)
    measured = f"{held:,} of {len(poisoned):,}"
    what = "poison held once, with its reason, after one attempt"
    return Finding(GOAL, what, measured, "all", held == len(poisoned) > 0)


def _refusal(trial: Trial, images: int) -> Finding:
    """While the topic takes no letter, nothing is committed."""
    stack = trial.stack
    with refusing(stack):
        before, letters = evidence.positions(stack)[0], count_events(stack, topics.FAILURES.name)
        entries = _upload(trial, images, poison_every=1)
        assert entries, "no poison was accepted"
        until(lambda: have_failed(stack, entries), _PATIENCE_SECONDS)
        deadline, moved = time.monotonic() + _REFUSED_SECONDS, False
        while time.monotonic() < deadline and not moved:
            moved = evidence.positions(stack)[0] != before
        written = count_events(stack, topics.FAILURES.name) - letters
    measured = f"{'something' if moved else 'nothing'} committed, {written} letters written"
    held = not moved and written == 0
    return Finding(GOAL, f"{images} poison while letters are refused", measured, "nothing", held)


def _replay(trial: Trial, images: int) -> list[Finding]:
    """Images whose bytes were taken away fail; put back and replayed, all complete."""
    stack = trial.stack
    # One that succeeds ends the row of failures: how long it is by now depends on how often letters
    # were tried, and images whose bytes are gone do stop the consumer.
    _upload(trial, 1)
    evidence.drain(stack)
    with stack.frozen(CONSUMER):
        entries = _upload(trial, images)
        assert entries, "no image was accepted"
        assert all(entry.kind == GOOD for entry in entries)
        bodies = {key: _take_away(stack, key) for key in map(_input_key, entries)}
    until(lambda: have_failed(stack, entries), _PATIENCE_SECONDS)
    evidence.drain(stack)
    for key, body in bodies.items():
        stack.store.put(INPUT_BUCKET, key, body, "image/jpeg")
    first, second = _replayed(stack), _replayed(stack)
    evidence.drain(stack)
    ends = [stack.finished(entry.job_id or "")["status"] for entry in entries]
    completed = ends.count("completed")
    measured = f"{first} replayed, {completed} of {len(entries)} completed"
    held = first == completed == len(entries)
    return [
        Finding(GOAL, "mended and replayed", measured, "100 %", held),
        Finding(GOAL, "replayed again", f"{second} sent", "0", second == 0),
        reported(GOAL, "what was mended", f"{len(entries)} inputs taken away and put back"),
    ]


def _replayed(stack: LocalStack) -> int:
    done = imagectl(stack, "dead-letters", "replay", "--reason", "image-missing", "--json")
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["replayed"])


def _input_key(entry: Entry) -> str:
    return input_key(entry.tenant, entry.image_id, "jpg")


def _take_away(stack: LocalStack, key: str) -> bytes:
    body = stack.store.get(INPUT_BUCKET, key)
    assert body is not None, f"{key} is not stored"
    access, secret = (stack.secret(f"minio-{kind}-key") for kind in ("access", "secret"))
    client = Minio(
        stack.settings.minio_endpoint, access_key=access, secret_key=secret, secure=False
    )
    client.remove_object(INPUT_BUCKET, key)
    return body
