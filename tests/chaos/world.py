"""The whole pipeline in one process: every part's real code, and what it stands on in memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import consumer as consumer_module
import fetching
import finding
import storing
import workers
from call_limit import CallLimit
from circuit_breaker import Breaker
from classifier import Classifier
from consumer import ImageProcessConsumer
from form import SentFile
from invoke import ClassifierClient
from jobs import Jobs
from loaded_models import LoadedModels
from pipeline import telemetry
from pipeline.consuming import commits
from pipeline.consuming.endings import Endings
from pipeline.consuming.membership import Membership
from pipeline.consuming.retries import RetryPolicy
from pipeline.errors import Conflict, Unavailable
from pipeline.events.cloudevents import ImageUploaded
from pipeline.hooks import crashes
from pipeline.ids import Job, JobIds
from pipeline.images.decoding import Limits
from pipeline.kafka import topics
from pipeline.quotas import Quota
from pipeline.secrets import Secrets
from pipeline.settings import Settings
from pipeline.storage.cancellations import Cancellations
from pipeline.storage.results import Results
from pipeline.storage.usage import Usage
from process import Processor
from published import PublishedModels
from quota_gate import QuotaGate
from states import States
from tests.chaos.moments import Clock, Killed, Moments
from tests.chaos.puppet import Batch, Puppet, finish, leave_unfinished
from tests.chaos.stand_ins import (
    AtOnce,
    Gateway,
    Unlimited,
    WatchedCache,
    WatchedKafka,
    WatchedPublisher,
    WatchedStore,
)
from tests.chaos.stub_engine import MANIFEST, StubEngine
from tests.chaos.watch import Watch, picture, readable
from tests.fakes import MemoryMarks
from upload import Uploads

_SOURCES = tuple(topic.name for topic in topics.READ)
# Each deadly image may take the consumer away as often as its budget says, and each retry waits.
_DRAIN_ROUNDS = 3000
# A breaker that opened closes when an image succeeds, so that some must come.
_GOOD_EVERY_ROUNDS, _FIRST_OF_DRAIN = 50, 1000
# Whom a client asks about, cancels, or has tried anew.
_LAST_JOBS = 8
_KEPT_DAYS = 30
# Longer than a question without a decision counts.
_FORGOTTEN_SECONDS = 301.0

_IDLE_SECONDS = 0.5


class _Secrets(Secrets):
    def text(self, name: str) -> str:
        """Know no files."""
        return "secret"


class _Settings(Settings):
    @property
    def secrets(self) -> Secrets:
        return _Secrets(Path(self.secrets_dir), self.account)


SETTINGS = _Settings(
    batch_size=4, batches_in_flight=2, max_attempts=3, retry_max_seconds=8.0, breaker_failures=9
)


class World:
    """Stores, a broker, any number of consumers, and a clock that moves when told to.

    Attributes:
        patience: whether who waits for batches sees them finished.
        commits_land: whether commits of a killed consumer, sent and not answered, are taken.
    """

    def __init__(self) -> None:
        self.clock, self.moments = Clock(), Moments()
        self.watch = Watch(SETTINGS.max_attempts)
        self.store = WatchedStore(self.watch, self.moments)
        self.cache = WatchedCache(self.watch, self.moments, self.store)
        self.kafka = WatchedKafka(
            {each.name: each.partitions for each in topics.TOPICS}, self.watch
        )
        self.marks = MemoryMarks()
        self.puppets: list[Puppet] = []
        self._unanswered: set[Job] = set()
        self.patience = self.commits_land = True
        self._patches = ExitStack()
        self._patch()
        job_ids = JobIds("key")
        self._results = Results(self.store, self.cache)
        self._publisher = WatchedPublisher(self.kafka, self.watch, self.moments)
        limits = Limits.from_settings(SETTINGS)
        self._uploads = Uploads(limits, self.store, self._publisher, job_ids, MANIFEST.model_id)
        self.states = States(
            self._results,
            self.store,
            PublishedModels(self.store, MANIFEST.model_id),
            job_ids,
            timedelta(days=_KEPT_DAYS),
            self._cancellations(),
        )
        self._jobs = Jobs(
            self.store,
            self._results,
            self._publisher,
            job_ids,
            Unlimited(),
            QuotaGate(self.store, Usage(SETTINGS), Quota()),
            self.marks,
            self._cancellations(),
            timedelta(days=_KEPT_DAYS),
        )
        engines = LoadedModels(StubEngine(), lambda _: None)
        answering = Classifier(engines, self.store, self._results)
        self.gateway = Gateway(answering, self.watch, self.store)

    def upload(self, tenant: str, kind: str, number: int) -> None:
        """Send an image as a client does; an answer is a promise, and none is none."""
        data = picture(kind, number)
        self.watch.sends(tenant, data)
        try:
            job = self._uploads.accept(tenant, SentFile(data, "a.jpg"), telemetry.trace_id(None))
        except (Unavailable, Killed):
            return
        self.watch.accepts(job)

    def ask(self, which: int) -> None:
        """Ask for a job's state, as a client does."""
        if job := self._job(which):
            with suppress(Unavailable, Killed):
                status = self.states.job(job.tenant, job.job_id).body["status"]
                self.watch.tells(job, status)

    def cancel(self, which: int) -> None:
        """Cancel a job; an answer is a promise."""
        if job := self._job(which):
            self.watch.cancelled.add(job.job_id)
            with suppress(Unavailable, Killed):
                try:
                    self._jobs.cancel(job)
                except Conflict as error:
                    self.watch.tells(job, str(error.found))
                else:
                    self.watch.tells(job, "cancelled")

    def retry(self, which: int) -> None:
        """Have a failed job tried anew."""
        if job := self._job(which):
            self._retry(job)

    def _retry(self, job: Job) -> None:
        self._unanswered.add(job)
        with suppress(Unavailable, Killed):
            with suppress(Conflict):
                self._jobs.retry(job, "call")
            self._unanswered.discard(job)

    def _job(self, which: int) -> Job | None:
        """Choose among the last jobs."""
        jobs = self.watch.accepted[-_LAST_JOBS:]
        return jobs[which % len(jobs)][0] if jobs else None

    def _cancellations(self) -> Cancellations:
        clock = self.clock
        return Cancellations(self.store, clock.time, clock.monotonic, clock.pass_)

    def start(self) -> None:
        """Start a consumer."""
        puppet = Puppet(self.kafka, self.clock, lambda: self.commits_land)
        limit = CallLimit(SETTINGS.batches_in_flight)
        client = ClassifierClient(SETTINGS, limit.refused)
        client._session.mount("http://", self.gateway)
        policy = RetryPolicy.from_settings(SETTINGS)
        breaker = Breaker(
            SETTINGS.breaker_failures,
            SETTINGS.breaker_rest_seconds,
            client.works,
            self.clock.monotonic,
        )
        processor = Processor(
            client, self._publisher, self._results, policy, breaker, self.clock.time
        )
        membership = Membership(lambda: None, lambda _: None, self.clock.monotonic)
        puppet.begin(
            ImageProcessConsumer(
                SETTINGS, processor, breaker, membership, limit, puppet.make_client, puppet.bench
            )
        )
        self.puppets.append(puppet)

    def round(self, puppet: Puppet) -> None:
        """Let a consumer go one round."""
        puppet.round()
        self._bury_if_over(puppet)

    def work(self, puppet: Puppet, batch: Batch) -> None:
        """Let one batch of a consumer be worked off, unless the consumer is gone."""
        if puppet.is_over:
            return
        try:
            batch.finish()
        except Killed:
            self.kill(puppet)

    def kill(self, puppet: Puppet) -> None:
        """End a consumer as kill -9 does."""
        puppet.kill()
        self._bury_if_over(puppet)

    def stop(self, puppet: Puppet) -> None:
        """End a consumer as SIGTERM does."""
        puppet.stop()
        self._bury_if_over(puppet)

    def expel(self, puppet: Puppet) -> None:
        """Let a consumer's session end while it stalls; its successor may take that for a crash."""
        self.watch.strikes(self._open_events(puppet))
        self.kafka.expel(puppet.client)

    def drain(self) -> None:
        """Heal everything, then go on until nothing is left to do."""
        self.moments.heal()
        for job in list(self._unanswered):  # as a client does that got no answer
            self._retry(job)
        self.gateway.trouble = self.gateway.next_trouble = ""
        self.kafka.refuses_commits = False
        # A commit takes a millisecond to land, and work on an image is longer.
        self.patience = self.commits_land = True
        for number in range(_DRAIN_ROUNDS):
            if self._lag() == 0:
                break
            if number % _GOOD_EVERY_ROUNDS == 0:
                self.upload("one", "good", _FIRST_OF_DRAIN + number)
            self.turn()
        else:
            self.watch.violations.append(f"{self._lag()} events stay uncommitted")

    def turn(self) -> None:
        """Let every consumer go a round and finish what it has begun; one is started for none."""
        if not self.puppets:
            self.start()
        idle = True
        for puppet in list(self.puppets):
            self.round(puppet)
            for batch in list(puppet.bench.unfinished()):
                self.work(puppet, batch)
                idle = False
        if idle:
            resting = any(puppet.consumer.why_unhealthy() for puppet in self.puppets)
            self.clock.pass_(SETTINGS.breaker_rest_seconds if resting else _IDLE_SECONDS)

    def look_at_every_job(self) -> None:
        """Ask for the last state of every accepted job, and whether another tenant may see it."""
        self.clock.pass_(_FORGOTTEN_SECONDS)
        for job, kind in self.watch.accepted:
            self.watch.ends(job, kind, self.states.job(job.tenant, job.job_id).body)

    def close(self) -> None:
        """End every thread and give the real parts back."""
        for puppet in list(self.puppets):
            puppet.kill()
        self._patches.close()

    def _lag(self) -> int:
        return sum(
            len(log) - self.kafka.committed.get(place, (0, ""))[0]
            for place, log in self.kafka.logs.items()
            if place[0] in _SOURCES
        )

    def _bury_if_over(self, puppet: Puppet) -> None:
        if not puppet.is_over:
            return
        self.puppets.remove(puppet)
        if isinstance(puppet.ended, Killed):
            self.watch.strikes(self._open_events(puppet))
        elif puppet.ended:
            self.watch.violations.append(f"the consumer ended: {puppet.ended!r}")

    def _open_events(self, puppet: Puppet) -> Iterator[ImageUploaded]:
        for place, position in puppet.client.positions.items():
            first, _ = self.kafka.committed.get(place, (0, ""))
            yield from readable(self.kafka.logs[place][first:position])

    def _patch(self) -> None:
        """Put the clock and the kill points in the place of the real ones."""
        rooms = {Path(str(each.__file__)).parent for each in (consumer_module, commits)}
        for module in list(sys.modules.values()):
            ours = Path(getattr(module, "__file__", None) or "/").parent in rooms
            if ours and getattr(module, "time", None) is time:
                self._patches.enter_context(patch.object(module, "time", self.clock))
        self._patches.enter_context(patch.object(crashes, "point", self.moments.point))
        self._patches.enter_context(patch.object(workers, "wait", self._wait))
        # The consumer goes round; which batch ends when is chosen elsewhere.
        self._patches.enter_context(patch.object(Endings, "wait", return_value=True))
        for module in (fetching, finding, storing):
            self._patches.enter_context(patch.object(module, "ThreadPoolExecutor", AtOnce))

    def _wait(self, batches: Sequence[Any], seconds: float) -> None:
        (finish if self.patience else leave_unfinished)(batches, seconds)
