"""The probe that times the classifier's steps, on a clock of the test's own."""

from __future__ import annotations

import importlib
import importlib.util
from collections import Counter
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.checks import BenchFailed
from bench.load.client import Uploaded
from bench.load.drain import Drained
from bench.measuring import by_step
from bench.stacks.processes import Spent


class Clock:
    """CPU time of a thread: it passes while work is done, and a little at every look."""

    def __init__(self) -> None:
        self.now = 0.0

    def thread_time(self) -> float:
        self.now += 1e-6
        return self.now

    def work(self, seconds: float, then: Callable[[], object] = lambda: None) -> None:
        self.now += seconds
        then()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, probe_module: ModuleType) -> Clock:
    clock = Clock()
    monkeypatch.setattr(probe_module, "time", clock)
    return clock


@pytest.fixture
def probe_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as it is, off, as without PROBE_DIR."""
    monkeypatch.delenv("PROBE_DIR", raising=False)
    spec = importlib.util.spec_from_file_location("probe", by_step.PROBE / "sitecustomize.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_time_goes_to_the_innermost_step(probe_module: ModuleType, clock: Clock) -> None:
    probe = probe_module.Probe("")
    cache = probe.wrap("cache", clock.work)
    store = probe.wrap("store", clock.work)

    store(3.0, lambda: cache(1.0))
    store(2.0)

    assert probe.seconds == pytest.approx({"store": 5.0, "cache": 1.0}, abs=1e-4)


def test_a_planted_fifth_shows_in_its_step_alone(probe_module: ModuleType, clock: Clock) -> None:
    probe = probe_module.Probe("infer")
    infer, decode = (probe.wrap(step, clock.work) for step in ("infer", "decode"))

    infer(0.01)
    decode(0.01, lambda: infer(0.01))

    assert probe.seconds == pytest.approx({"infer": 0.024, "decode": 0.01}, abs=1e-4)


def test_what_fails_is_timed_and_raised(probe_module: ModuleType, clock: Clock) -> None:
    def fail() -> None:
        clock.work(1.0)
        raise ValueError("damaged")

    probe = probe_module.Probe("")

    with pytest.raises(ValueError, match="damaged"):
        probe.wrap("decode", fail)()

    assert probe.seconds == pytest.approx({"decode": 1.0}, abs=1e-4)


def test_every_step_is_a_function_of_the_classifier(probe_module: ModuleType) -> None:
    for name, path, _ in probe_module.STEPS:
        found: Any = reduce(getattr, path.split("."), importlib.import_module(name))
        assert callable(found)


def test_sums_are_written_whole(probe_module: ModuleType, tmp_path: Path) -> None:
    probe = probe_module.Probe("")
    probe.seconds["infer"] = 1.5

    probe.write(tmp_path / "1.json")

    assert [path.name for path in tmp_path.iterdir()] == ["1.json"]
    assert (tmp_path / "1.json").read_text() == '{"infer": 1.5}'


def test_steps_put_sides_and_inside_together() -> None:
    draining = Spent({"image-classifier-1": 10.0, "minio": 3.0, "nginx": 0.0})
    uploaded = Uploaded(["a"], 0, 0.0, 1.0)
    drained = Drained(uploaded, Spent({"nginx": 1.0}), draining, 0.0, [1.0])

    found = by_step.steps(drained, Counter({"infer": 6.0, "decode": 3.0}), 1000)

    assert found == {
        "upload: nginx": 1.0,
        "classifier: decode": 3.0,
        "classifier: infer": 6.0,
        "classifier: the rest": 1.0,
        "minio": 3.0,
    }


def test_a_classifier_that_was_not_profiled_is_no_figure() -> None:
    drained = Drained(Uploaded(["a"], 0, 0.0, 1.0), Spent(), Spent(), 0.0, [1.0])

    with pytest.raises(BenchFailed, match="not profiled"):
        by_step.steps(drained, Counter(), 1)
