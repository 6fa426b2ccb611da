"""One consumer process on strings: the real loop in a thread that takes a round when it is told."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from confluent_kafka import Message

from consumer import ImageProcessConsumer
from pipeline.settings import Settings
from tests.chaos.moments import Clock, Killed
from tests.fakes_kafka import MemoryConsumer, MemoryKafka, OnCommit

# A round takes microseconds; a thread that does not come back is a test that would hang.
_ROUND_SECONDS = 300.0

Given = ParamSpec("Given")
Made = TypeVar("Made")


class Batch(Future[Any]):
    """A batch that waits to be worked off."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self._work = work

    def finish(self) -> None:
        """Work it off here and now.

        Raises:
            Killed: the process ended meanwhile.
        """
        if self.done():
            return
        try:
            self.set_result(self._work())
        except Exception as error:
            self.set_exception(error)


class Bench(Executor):
    """An executor on which batches lie until somebody finishes them."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def submit(
        self, function: Callable[Given, Made], /, *arguments: Given.args, **named: Given.kwargs
    ) -> Future[Made]:
        batch = Batch(lambda: function(*arguments, **named))
        self.batches.append(batch)
        return batch

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.batches.clear()

    def unfinished(self) -> list[Batch]:
        self.batches = [batch for batch in self.batches if not batch.done()]
        return self.batches


class Puppet:
    """A consumer between two of its polls.

    Attributes:
        client: its Kafka client; polling is where a round ends.
        ended: why its loop is over, when it is: None for an end that was asked for.
        commits_land: tells at its end whether commits that it did not wait for reach the broker.
    """

    def __init__(self, kafka: MemoryKafka, clock: Clock, commits_land: Callable[[], bool]) -> None:
        self.bench = Bench()
        self.is_over = False
        self.ended: BaseException | None = None
        self.client: _Client
        self.dying = False
        self.commits_land = commits_land
        self._kafka = kafka
        self._clock = clock
        self._go, self._rest = threading.Semaphore(0), threading.Semaphore(0)

    def make_client(self, _: Settings, on_commit: OnCommit) -> MemoryConsumer:
        """Stand in for `broker.make_consumer`."""
        self.client = _Client(self._kafka, on_commit, self, self._clock)
        return self.client

    def begin(self, consumer: ImageProcessConsumer) -> None:
        """Start the loop, up to its first poll."""
        self.consumer = consumer
        self._thread = threading.Thread(target=self._run, name="puppet", daemon=True)
        self._thread.start()
        self._wait()

    def round(self) -> None:
        """Go on to the next poll, or to the end."""
        if not self.is_over:
            self._go.release()
            self._wait()

    def stop(self) -> None:
        """Ask it to end, and let it."""
        self.consumer.stop()
        while not self.is_over:
            self.round()

    def kill(self) -> None:
        """End it at its poll, as kill -9 does."""
        self.dying = True
        self.round()

    def pause(self) -> None:
        """Rest within a poll until told to go on (called by the loop's own thread)."""
        self._rest.release()
        self._go.acquire()
        if self.dying:
            raise Killed("anywhere")

    def _run(self) -> None:
        try:
            self.consumer.run()
        except BaseException as error:
            self.ended = error
        self.is_over = True
        self._rest.release()

    def _wait(self) -> None:
        assert self._rest.acquire(timeout=_ROUND_SECONDS), "the consumer hangs"
        if self.is_over:
            self._thread.join()
            self.client.leave(commits_land=self.commits_land())


class _Client(MemoryConsumer):
    """Rests at each poll; a process that is being killed leaves without a word."""

    def __init__(
        self, kafka: MemoryKafka, on_commit: OnCommit, puppet: Puppet, clock: Clock
    ) -> None:
        super().__init__(kafka, on_commit)
        self._group = kafka
        self._puppet = puppet
        self._clock = clock

    def poll(self, timeout: float = -1) -> Message | None:
        self._puppet.pause()
        message = super().poll(timeout)
        if message is None:
            self._clock.pass_(timeout)
        return message

    def close(self) -> None:
        if not isinstance(sys.exc_info()[1], Killed):
            super().close()

    def leave(self, *, commits_land: bool) -> None:
        """Be forgotten by the group, however it ended; what was sent to the broker may land."""
        if commits_land:
            self.land_commits()
        self._group.expel(self)
        self.topics = []


def finish(batches: Iterable[Future[Any]], _: float) -> None:
    """Stand in for `futures.wait`: whoever waits for batches sees them worked off."""
    for batch in batches:
        assert isinstance(batch, Batch)
        batch.finish()


def leave_unfinished(_: Iterable[Future[Any]], __: float) -> None:
    """Stand in for `futures.wait` when the time is up before anything is done."""
