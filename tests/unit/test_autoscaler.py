"""How many replicas a backlog gets, told in seconds of a clock that the tests move."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler import Autoscaler
from decision import Bounds
from pipeline.errors import Unavailable
from pipeline.kafka.backlog import BacklogProbe, Reading
from pipeline.settings import Settings
from replicas import Function, Replicas

SETTINGS = Settings(autoscaler_drain_seconds=10.0, autoscaler_cool_down_seconds=30.0)


class Cluster:
    """A queue that replicas work off, each one image in so many seconds, and OpenFaaS before it.

    Attributes:
        arriving: images a second.
        asked: every number of replicas that was asked for.
        edition: the most that OpenFaaS gives, whatever it is asked for.
        down: why Kafka does not say how much waits, when it does not.
    """

    def __init__(
        self, most: int = 8, service_seconds: float = 0.1, factor: int = 0, kind: str = ""
    ) -> None:
        self.now = self.arriving = self.waiting = self.at_work = self.passed = 0.0
        self.service_seconds = service_seconds
        self.replicas = 1
        self.asked: list[int] = []
        self.down = ""
        self.edition = 1_000_000
        self._bounds, self._factor, self.kind = Bounds(1, most), factor, kind
        self.autoscaler = Autoscaler(SETTINGS, _Backlog(self), _Replicas(self), lambda: self.now)

    def run(self, seconds: int) -> None:
        """Let seconds pass; it looks once in each."""
        for _ in range(seconds):
            self.now += 1
            came = self.waiting + self.arriving
            done = min(came, self.replicas / self.service_seconds)
            self.waiting, self.passed = came - done, self.passed + done
            self.at_work = done * self.service_seconds
            self.autoscaler.look()

    def read(self) -> Function:
        return Function(self.replicas, self.replicas, self._bounds, self._factor, self.kind)

    def scale(self, replicas: int) -> None:
        self.asked.append(replicas)
        self.replicas = min(replicas, self.edition)


class _Replicas(Replicas):
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def read(self) -> Function:
        return self._cluster.read()

    def scale(self, replicas: int) -> None:
        self._cluster.scale(replicas)


class _Backlog(BacklogProbe):
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def read(self) -> Reading:
        if self._cluster.down:
            raise Unavailable(self._cluster.down)
        unfinished = self._cluster.waiting + self._cluster.at_work
        return Reading(round(unfinished), round(self._cluster.passed))


def test_a_backlog_gets_the_replicas_that_clear_it_in_time() -> None:
    cluster = Cluster()
    cluster.waiting = 200 + 30

    cluster.run(4)

    # What is left by the time that the pace is known: near 200 images × 0.1 s ÷ 10 s.
    assert cluster.asked == [2]


def test_a_burst_gets_what_it_needs_at_once_and_keeps_it() -> None:
    cluster = Cluster()
    cluster.arriving = 40

    cluster.run(25)
    cleared, asked = cluster.waiting, list(cluster.asked)
    cluster.run(95)

    assert asked == sorted(asked)
    assert asked[-1] in (5, 6, 7)  # four for what comes, the rest for what had piled up
    assert cleared == cluster.waiting == 0
    assert cluster.replicas >= 4


def test_replicas_are_given_up_when_fewer_were_enough_for_a_whole_cool_down() -> None:
    cluster = Cluster()
    cluster.arriving = 40
    cluster.run(60)
    cluster.arriving = 0

    cluster.run(28)
    kept = cluster.replicas
    cluster.run(10)

    assert kept >= 4
    assert cluster.replicas == 1


def test_a_load_that_comes_and_goes_within_the_cool_down_keeps_its_replicas() -> None:
    cluster = Cluster()
    for _ in range(10):
        cluster.arriving = 40
        cluster.run(8)
        cluster.arriving = 0
        cluster.run(8)

    assert len(cluster.asked) <= 2  # up, and down by what the start alone had needed
    assert cluster.replicas >= 4


def test_a_load_near_a_whole_number_of_replicas_does_not_flap() -> None:
    cluster = Cluster()
    cluster.arriving = 40
    cluster.run(120)
    cluster.asked.clear()
    for arriving in [19.5, 20.5] * 60:
        cluster.arriving = arriving
        cluster.run(1)

    assert cluster.asked == sorted(cluster.asked, reverse=True)


def test_never_more_than_allowed_and_the_cap_is_said_with_a_forecast() -> None:
    cluster = Cluster(most=3)
    cluster.waiting = 3080

    cluster.run(6)

    # Near 3,000 images × 0.1 s ÷ 10 s; at 30 a second.
    assert cluster.asked == [3]
    assert cluster.autoscaler.message() == "need 30, cap 3, clear in 2 min"


def test_a_cap_of_openfaas_edition_is_noticed_and_said() -> None:
    cluster = Cluster(most=8)
    cluster.edition, cluster.waiting = 5, 30_000

    cluster.run(50)

    # Asked in vain until it is plain, and then no more.
    assert cluster.asked[-1] == 8
    assert len(cluster.asked) < 12
    assert ", cap 5, clear in " in cluster.autoscaler.message()


def test_a_cap_that_is_lifted_is_forgotten() -> None:
    cluster = Cluster(most=8)
    cluster.edition, cluster.waiting = 5, 30_000
    cluster.run(30)

    cluster.edition = 100
    cluster.run(70)

    assert cluster.replicas == 8
    assert ", cap 8, clear in " in cluster.autoscaler.message()


def test_replicas_that_somebody_took_away_are_no_cap() -> None:
    cluster = Cluster(most=8)
    cluster.waiting = 30_000
    cluster.run(20)

    for _ in range(10):
        cluster.replicas = 1
        cluster.run(2)

    assert cluster.replicas == 8
    assert ", cap 8, clear in " in cluster.autoscaler.message()


def test_a_backlog_that_only_grows_is_called_so() -> None:
    cluster = Cluster(most=2)
    cluster.arriving = 50

    cluster.run(10)

    assert cluster.autoscaler.message().endswith(", cap 2, the backlog grows")


def test_a_forecast_comes_true() -> None:
    cluster = Cluster(most=2)
    cluster.waiting, cluster.arriving = 3000, 5
    cluster.run(6)
    said = cluster.autoscaler.message()

    cluster.run(198)

    assert said.endswith("clear in 3 min")  # 2,950 images at 20 - 5 a second
    assert cluster.waiting == 0


def test_nothing_is_scaled_before_it_is_known_what_an_image_takes() -> None:
    cluster = Cluster(service_seconds=1e9)
    cluster.waiting = 100

    cluster.run(10)

    assert cluster.asked == []
    assert cluster.autoscaler.message() == "what one image takes is not known yet"


def test_replicas_left_from_before_are_given_up_when_nothing_comes() -> None:
    cluster = Cluster()
    cluster.replicas = 5

    cluster.run(40)

    assert cluster.asked == [1]


def test_a_service_time_measured_in_bad_times_is_not_believed_for_ever() -> None:
    cluster = Cluster(service_seconds=10.0)
    cluster.waiting = 100
    cluster.run(60)
    cluster.service_seconds, cluster.arriving = 0.01, 2
    held = cluster.replicas

    cluster.run(60)

    assert (held, cluster.replicas) == (8, 1)


def test_a_standstill_is_no_service_time() -> None:
    cluster = Cluster()
    cluster.waiting = 190
    cluster.run(5)
    asked = list(cluster.asked)
    cluster.service_seconds = 1e9
    cluster.run(60)
    cluster.service_seconds = 0.1
    cluster.run(5)

    assert cluster.asked == asked


def test_where_openfaas_scales_itself_nothing_is_set_and_that_is_said() -> None:
    cluster = Cluster(factor=20)
    cluster.waiting = 3000

    cluster.run(10)

    assert cluster.asked == []
    said = "OpenFaaS scales image-classifier itself: scale.factor is 20"
    assert cluster.autoscaler.message() == said


def test_the_type_backlog_leaves_it_to_us_whatever_the_factor() -> None:
    cluster = Cluster(factor=20, kind="backlog")
    cluster.waiting = 230

    cluster.run(4)

    assert cluster.asked == [2]


def test_a_type_of_requests_leaves_it_to_them() -> None:
    cluster = Cluster(kind="rps")
    cluster.waiting = 3000

    cluster.run(10)

    assert cluster.asked == []
    said = "image-classifier is scaled by requests: scale.type is rps"
    assert cluster.autoscaler.message() == said


def test_while_it_cannot_see_everything_stays_as_it_is() -> None:
    cluster = Cluster()
    cluster.arriving = 40
    cluster.run(20)
    cluster.asked.clear()
    cluster.down, cluster.arriving = "Kafka is down", 0

    cluster.run(100)
    blind = cluster.autoscaler.why_unhealthy()
    cluster.down = ""
    cluster.run(20)

    assert blind == "nothing is scaled: Kafka is down"
    assert cluster.autoscaler.why_unhealthy() is None
    assert cluster.asked == []


@pytest.mark.parametrize(
    ("labels", "bounds", "factor"),
    [
        (None, Bounds(1, 5), 20),  # OpenFaaS' own defaults
        ({"com.openfaas.scale.min": "2", "com.openfaas.scale.max": "9"}, Bounds(2, 9), 20),
        ({"com.openfaas.scale.min": "7", "com.openfaas.scale.max": "4"}, Bounds(7, 7), 20),
        ({"com.openfaas.scale.factor": "0"}, Bounds(1, 5), 0),
    ],
)
def test_labels_are_read_as_openfaas_reads_them(labels: Any, bounds: Bounds, factor: int) -> None:
    status = {"replicas": 3, "availableReplicas": 2, "labels": labels}

    assert Function.from_status(status) == Function(3, 2, bounds, factor)
