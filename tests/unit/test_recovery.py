"""What a client of Kafka does about a broker that was away; the real one: test_kafka_outages.py."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from pipeline.errors import SettingsError, Unavailable
from pipeline.kafka.recovery import Replaceable, while_broker_moves

MOVES = [
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
]
FAILURES = [KafkaException(KafkaError(KafkaError._TIMED_OUT)), TimeoutError(), Unavailable("no")]


class Broker:
    """Answers as it is told to, each time after a second."""

    def __init__(self, *answers: int | str) -> None:
        self.now = 0.0
        self.allowed: list[float] = []
        self._answers = list(answers)

    def ask(self, seconds: float) -> str:
        self.allowed.append(seconds)
        self.now += 1.0
        answer = self._answers.pop(0)
        if isinstance(answer, int):
            raise KafkaException(KafkaError(answer))
        return answer

    def patiently(self, seconds: float) -> str:
        return while_broker_moves(self.ask, seconds, lambda: self.now, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("code", MOVES)
def test_one_that_moves_is_asked_again(code: int) -> None:
    broker = Broker(code, code, "told")

    assert broker.patiently(10.0) == "told"
    assert broker.allowed == pytest.approx([10.0, 8.9, 7.8])


@pytest.mark.parametrize("code", MOVES)
def test_it_is_asked_until_the_time_is_over_and_no_longer(code: int) -> None:
    broker = Broker(*[code] * 20)

    with pytest.raises(KafkaException):
        broker.patiently(5.0)

    assert broker.now <= 6.0
    assert len(broker.allowed) > 1


@pytest.mark.parametrize("code", [KafkaError._TIMED_OUT, KafkaError.GROUP_AUTHORIZATION_FAILED])
def test_what_does_not_pass_by_itself_is_told_at_once(code: int) -> None:
    broker = Broker(code, "told")

    with pytest.raises(KafkaException):
        broker.patiently(10.0)

    assert len(broker.allowed) == 1


class Made:
    """Clients, numbered as they are made, and a clock."""

    def __init__(self, patience_seconds: float = 8.0) -> None:
        self.now, self.count, self.is_without_login = 0.0, 0, False
        self.clients: Replaceable[int] = Replaceable(self._make, patience_seconds, lambda: self.now)

    def ask(self, at: float, error: Exception | None = None) -> int:
        """Ask at a second; with which client."""
        self.now = at
        used = 0

        def fail_or_not() -> None:
            nonlocal used
            with self.clients.asked() as used:
                if error:
                    raise error

        if error:
            with pytest.raises(type(error)):
                fail_or_not()
        else:
            fail_or_not()
        return used

    def _make(self) -> int:
        if self.is_without_login:
            raise SettingsError("cannot read it")
        self.count += 1
        return self.count


@pytest.mark.parametrize("error", FAILURES, ids=lambda each: type(each).__name__)
def test_a_client_that_fails_for_long_is_replaced(error: Exception) -> None:
    made = Made()

    assert [made.ask(at, error) for at in (0, 4, 8)] == [1, 1, 1]
    assert made.ask(9) == 2


def test_one_that_fails_for_a_short_time_stays() -> None:
    made = Made()

    for start in (0, 20, 40):
        made.ask(start, FAILURES[0])
        made.ask(start + 7, FAILURES[0])
        made.ask(start + 8)

    assert made.count == 1


def test_the_next_one_is_given_as_long() -> None:
    made = Made()

    used = [made.ask(at, FAILURES[0]) for at in (0, 8, 9, 16, 17, 18)]

    assert used == [1, 1, 2, 2, 2, 3]


def test_without_patience_every_failure_makes_another() -> None:
    made = Made(0.0)

    assert [made.ask(at, FAILURES[0]) for at in (0, 0, 0)] == [1, 2, 3]


def test_one_that_cannot_be_replaced_now_is_asked_on() -> None:
    made = Made()
    made.is_without_login = True
    assert [made.ask(at, FAILURES[0]) for at in (0, 8, 9)] == [1, 1, 1]

    made.is_without_login = False

    assert [made.ask(at, FAILURES[0]) for at in (10, 11)] == [1, 2]


def test_what_is_nobodys_outage_replaces_nothing() -> None:
    made = Made(0.0)

    made.ask(0, ValueError("a bug"))

    assert made.ask(1) == 1
