"""The model of the pipeline: processors that are shared, images that neither vanish nor double."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.simulation import costs
from bench.simulation.classifier import Stub
from bench.simulation.machine import Machine
from bench.simulation.processors import Part, Processors, Room, Work
from bench.simulation.stack import Layout
from bench.simulation.tables import Tables
from bench.simulation.uploading import at_random, evenly

TABLES = Tables(costs.read())
APART = Layout(cores=0, uploads=2, replicas=2, consumers=2)


def machine(layout: Layout, most_replicas: int = 0) -> Machine:
    return Machine(TABLES.float32, TABLES.waits, layout, most_replicas=most_replicas)


def ends(cores: int, jobs: list[tuple[float, float]], crowding: float = 0.0) -> list[float]:
    """When jobs of these seconds and weights end that begin together."""
    env = simpy.Environment()
    processors = Processors(env, cores, crowding)
    found = [0.0] * len(jobs)

    def job(number: int, seconds: float, weight: float) -> Work:
        yield processors.use(seconds, weight)
        found[number] = env.now

    for number, (seconds, weight) in enumerate(jobs):
        env.process(job(number, seconds, weight))
    env.run()
    return found


def test_a_job_has_one_core_at_most() -> None:
    assert ends(4, [(1.0, 1.0), (2.0, 1.0)]) == pytest.approx([1.0, 2.0])


def test_jobs_share_a_core() -> None:
    assert ends(1, [(1.0, 1.0), (2.0, 1.0)]) == pytest.approx([2.0, 3.0])


def test_a_job_of_less_weight_gives_way() -> None:
    assert ends(1, [(1.0, 1.0), (1.0, 0.25)]) == pytest.approx([1.25, 2.0])


def test_where_no_processor_is_short_weights_mean_nothing() -> None:
    assert ends(2, [(1.0, 1.0), (1.0, 0.25)]) == pytest.approx([1.0, 1.0])


def test_cores_are_slower_side_by_side() -> None:
    assert ends(2, [(1.0, 1.0)], crowding=0.5) == pytest.approx([1.0])
    assert ends(2, [(1.0, 1.0), (1.0, 1.0)], crowding=0.5) == pytest.approx([2.0, 2.0])


@given(
    cores=st.integers(1, 5),
    jobs=st.lists(
        st.tuples(st.floats(0.001, 1.0), st.sampled_from([0.05, 0.3, 1.0])), min_size=1, max_size=12
    ),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_core_rests_while_there_is_work_and_none_works_twice(
    cores: int, jobs: list[tuple[float, float]]
) -> None:
    found = ends(cores, jobs)

    work, longest = sum(seconds for seconds, _ in jobs), max(seconds for seconds, _ in jobs)
    assert all(end >= seconds - 1e-6 for end, (seconds, _) in zip(found, jobs, strict=True))
    assert max(work / cores, longest) - 1e-6 <= max(found) <= work / cores + longest + 1e-6


def test_who_waits_for_a_place_gets_it_in_turn() -> None:
    env, order = simpy.Environment(), list[int]()
    room = Room(env, 1)

    def visit(number: int) -> Work:
        yield from room.enter()
        order.append(number)
        yield env.timeout(1)
        room.leave()

    for number in range(3):
        env.process(visit(number))
    env.run()

    assert (order, env.now) == ([0, 1, 2], 3)


def test_an_interpreter_computes_one_thing_at_a_time() -> None:
    env = simpy.Environment()
    part = Part(env, "python", None, width=1)
    for _ in range(3):
        env.process(part.compute(0.5))
    env.run()

    assert env.now == pytest.approx(1.5)
    assert part.busy_seconds == pytest.approx(1.5)


@pytest.mark.parametrize("layout", [Layout(cores=2), APART], ids=["one machine", "apart"])
def test_every_accepted_image_is_finished_once(layout: Layout) -> None:
    stack = machine(layout)
    stack.offer(at_random(60, 4, seed=1), 1_000)

    finished = Counter(image.number for image in stack.finished)
    accepted = {image.number for image in stack.stack.images if image.accepted is not None}
    assert set(finished.values()) == {1}
    assert finished.keys() == accepted
    assert len(stack.stack.images) == len(accepted) + stack.uploads.refused


def test_what_is_refused_is_never_finished() -> None:
    stack = machine(Layout(cores=2, upload_weight=0.05), most_replicas=2)
    stack.offer(evenly(400, 2), 64)

    refused = {image.number for image in stack.stack.images if image.accepted is None}
    assert len(refused) == stack.uploads.refused > 0
    assert not refused & {image.number for image in stack.finished}


def test_instants_come_in_their_order() -> None:
    stack = machine(APART)
    stack.offer(evenly(50, 2), 1_000, waits=False)

    for image in stack.finished:
        assert image.in_kafka
        assert image.cached
        assert image.finished
        assert image.sent < image.in_kafka < image.cached < image.finished


def test_calls_that_no_replica_takes_are_made_again() -> None:
    stack = machine(Layout(cores=0, consumers=3))  # 24 calls for one that takes eight

    stack.drain(600)

    assert len({image.number for image in stack.finished}) == len(stack.finished) == 600
    assert sum(consumer.limit.calls for consumer in stack.consumers) < 24


def test_the_same_seed_says_the_same() -> None:
    def finished() -> list[float | None]:
        stack = machine(APART)
        stack.offer(at_random(100, 2, seed=3), 1_000)
        return [image.finished for image in stack.finished]

    assert finished() == finished()


def latency(replicas: int, per_second: float) -> float:
    stack = machine(replace(APART, replicas=replicas))
    stack.offer(at_random(per_second, 5, seed=2), 1_000)
    return stack.milliseconds(lambda image: image.finished, 50)


def test_more_replicas_are_never_slower_while_none_is_short() -> None:
    few, more, many = (latency(replicas, 60) for replicas in (1, 2, 4))

    assert many <= more <= few


def test_more_replicas_drain_faster() -> None:
    alone = replace(APART, consumers=1)
    rates = [machine(replace(alone, replicas=count)).drain(400 * count) for count in (1, 2, 4)]

    assert rates[0] < rates[1] < rates[2]
    assert rates[2] == pytest.approx(4 * rates[0], rel=0.1)


def test_no_load_makes_a_replica_faster_than_its_own_work() -> None:
    most = 1 / TABLES.float32.classifier

    assert machine(Layout(cores=0)).drain(800) <= most


def test_the_autoscaler_goes_up_under_load_and_down_again() -> None:
    stack = Machine(TABLES.float32, TABLES.stub_waits, Layout(cores=2), most_replicas=4, kind=Stub)
    stack.offer(evenly(60, 10), 64)
    most = stack.replicas.wanted
    stack.rest(120)

    assert (most, stack.replicas.wanted) == (4, 1)
