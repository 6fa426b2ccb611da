"""The world of R11 goes on after what once stopped it, and finds a consumer that commits early."""

from __future__ import annotations

import pytest

from pipeline.consuming.progress import Progress
from pipeline.kafka import topics
from tests.chaos.r11_state_machine import explore
from tests.chaos.world import World

ACCEPTED = {topic.name for topic in topics.ACCEPTED}


def test_a_few_runs_find_nothing() -> None:
    explore(3, seed=1)


def test_a_consumer_that_commits_before_its_work_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Progress.read

    def hasty(self: Progress, offset: int) -> int:
        distance = read(self, offset)
        self.finish(offset)
        return distance

    monkeypatch.setattr(Progress, "read", hasty)

    with pytest.raises(AssertionError, match="committed before anything was acknowledged"):
        explore(30, seed=1)


def test_a_partition_that_was_held_back_goes_on_after_it_was_lost() -> None:
    world = World()
    try:
        world.start()
        for number in range(300):
            world.upload("one", "good", number)
        (puppet,) = world.puppets
        while not puppet.client.held_back:
            world.round(puppet)

        world.expel(puppet)
        world.drain()

        assert world.watch.violations == []
    finally:
        world.close()


def test_an_event_that_comes_again_says_nothing_of_a_job_that_is_tried_anew() -> None:
    world = World()
    try:
        world.start()
        world.upload("one", "poison", 1)
        uploads = [log for place, log in world.kafka.logs.items() if place[0] in ACCEPTED]
        (record,) = [record for log in uploads for record in log]
        world.drain()
        world.kafka.append(topics.UPLOADS.name, *record)

        world.retry(0)
        world.drain()
        world.look_at_every_job()

        assert world.watch.violations == []
    finally:
        world.close()
