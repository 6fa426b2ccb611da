"""Every order of uploads, deliveries, crashes and failures that hypothesis thinks of."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipeline.hooks import crashes
from pipeline.kafka import topics
from tests.chaos.findings import Finding, Size
from tests.chaos.moments import EFFECTS
from tests.chaos.puppet import Puppet
from tests.chaos.stand_ins import TROUBLES
from tests.chaos.world import World

GOAL = "R11"
STEPS = 50
# Part of `make test`, which is to say the same of the same code.
_SHORT_SEED = 1
_RUNS = {Size.SHORT: 150, Size.FULL: 2000}
_MOST_CONSUMERS = 3
numbers = st.integers(0, 7)
some = st.booleans()
# Most images are good, and few take a process with them.
kinds = st.sampled_from(["good"] * 8 + ["poison"] * 3 + ["cursed", "deadly"])


class Pipeline(RuleBasedStateMachine):
    """Uploads come, everything fails at any moment; what was accepted must be answered, once."""

    steps = 0  # of all runs

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(consumers=st.integers(0, 2))
    def begin(self, consumers: int) -> None:
        for _ in range(consumers):
            self.world.start()

    @rule(tenant=st.sampled_from(["one", "two"]), kind=kinds, number=numbers)
    def upload(self, tenant: str, kind: str, number: int) -> None:
        self.world.upload(tenant, kind, number)

    @rule(count=st.integers(2, 9), first=st.integers(10, 99))
    def upload_many(self, count: int, first: int) -> None:
        for number in range(first, first + count):
            self.world.upload("one", "good", number)

    @rule(which=numbers)
    def ask(self, which: int) -> None:
        self.world.ask(which)

    @rule(which=numbers)
    def cancel(self, which: int) -> None:
        self.world.cancel(which)

    @rule(which=numbers)
    def retry(self, which: int) -> None:
        self.world.retry(which)

    @rule(turns=st.integers(1, 6))
    def turn(self, turns: int) -> None:
        for _ in range(turns):
            self.world.turn()

    @precondition(lambda self: self.world.puppets)
    @rule(which=numbers)
    def round(self, which: int) -> None:
        self.world.round(self._puppet(which))

    @precondition(lambda self: self.world.puppets)
    @rule(which=numbers, batch=numbers)
    def work(self, which: int, batch: int) -> None:
        puppet = self._puppet(which)
        batches = puppet.bench.unfinished()
        if batches:
            self.world.work(puppet, batches[batch % len(batches)])

    @precondition(lambda self: len(self.world.puppets) < _MOST_CONSUMERS)
    @rule()
    def start(self) -> None:
        self.world.start()

    @precondition(lambda self: self.world.puppets)
    @rule(which=numbers, patience=some)
    def stop(self, which: int, patience: bool) -> None:
        self.world.patience = patience
        self.world.stop(self._puppet(which))

    @precondition(lambda self: self.world.puppets)
    @rule(which=numbers, commits_land=some)
    def kill(self, which: int, commits_land: bool) -> None:
        self.world.commits_land = commits_land
        self.world.kill(self._puppet(which))

    @precondition(lambda self: self.world.puppets)
    @rule(which=numbers, patience=some)
    def expel(self, which: int, patience: bool) -> None:
        self.world.patience = patience
        self.world.expel(self._puppet(which))

    @rule(topic=st.sampled_from([topic.name for topic in topics.READ]), random=st.randoms())
    def deliver_again_shuffled(self, topic: str, random: Any) -> None:
        logs = self.world.kafka.logs
        records = [record for place, log in logs.items() if place[0] == topic for record in log]
        for key, value in random.sample(records, min(len(records), 5)):
            self.world.kafka.append(topic, key, value)

    @rule(value=st.sampled_from([b"", b"no event", b"{}", b'{"type":"ImageUploaded"}', b"\xff"]))
    def write_no_event(self, value: bytes) -> None:
        self.world.kafka.append(topics.UPLOADS.name, b"key", value)

    @rule(name=st.sampled_from(crashes.POINTS))
    def arm_a_kill_point(self, name: str) -> None:
        self.world.moments.points.add(name)

    @rule(
        part=st.sampled_from(["store", "broker"]),
        operations=st.integers(0, 12),
        effect=st.sampled_from(EFFECTS),
    )
    def let_an_operation_fail(self, part: str, operations: int, effect: str) -> None:
        self.world.moments.arm(part, operations, effect)

    @rule(part=st.sampled_from(["store", "broker", "cache"]))
    def take_down(self, part: str) -> None:
        self.world.moments.down.add(part)

    @rule(refuses=some)
    def refuse_commits(self, refuses: bool) -> None:
        self.world.kafka.refuses_commits = refuses

    @rule(trouble=st.sampled_from(TROUBLES), lasts=some)
    def trouble_the_classifier(self, trouble: str, lasts: bool) -> None:
        self.world.gateway.next_trouble = trouble
        self.world.gateway.trouble = trouble if lasts else ""

    @rule()
    def lose_the_cache(self) -> None:
        self.world.cache.values.clear()
        self.world.marks.values.clear()

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 10.0, 100.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.world.clock.pass_(seconds)

    @rule()
    def heal(self) -> None:
        self.world.moments.heal()
        self.world.gateway.trouble = self.world.gateway.next_trouble = ""
        self.world.kafka.refuses_commits = False

    @invariant()
    def no_promise_is_broken(self) -> None:
        Pipeline.steps += 1
        assert not self.world.watch.violations, self.world.watch.violations

    def teardown(self) -> None:
        """Heal everything, let it come to rest, and look at every promise."""
        try:
            if not self.world.watch.violations:
                self.world.drain()
                self.world.look_at_every_job()
                assert not self.world.watch.violations, self.world.watch.violations
        finally:
            self.world.close()

    def _puppet(self, which: int) -> Puppet:
        return self.world.puppets[which % len(self.world.puppets)]


def run(size: Size, folder: Path, seed: int | None = None) -> list[Finding]:
    """Explore; what is found is kept as the steps that lead there."""
    runs = _RUNS[size]
    before = Pipeline.steps
    try:
        explore(runs, seed=_SHORT_SEED if seed is None and size is Size.SHORT else seed)
    except AssertionError as violation:
        steps = "\n".join([str(violation), *getattr(violation, "__notes__", [])])
        (folder / "violation.txt").write_text(steps, encoding="utf-8")
        measured = f"{str(violation)[:200]}; steps in violation.txt"
    else:
        measured = f"0 in {runs} runs, {Pipeline.steps - before} steps"
    held = measured.startswith("0 in")
    return [Finding(GOAL, f"violations in {runs} runs of {STEPS} steps", measured, "0", held)]


def explore(runs: int, *, seed: int | None = None, shrink: bool = False) -> None:
    """Run the machine; raises what it finds.

    Args:
        shrink: look for the shortest way to what is found, which takes minutes.
    """
    logging.disable(logging.CRITICAL)
    machine = hypothesis_seed(secrets.randbits(64) if seed is None else seed)(Pipeline)
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=runs,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                report_multiple_bugs=False,
                print_blob=False,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
            ),
        )
    finally:
        logging.disable(logging.NOTSET)
