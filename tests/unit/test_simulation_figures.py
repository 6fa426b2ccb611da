"""The model says what was measured on one machine, within a tenth, or the page says why not."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from bench.simulation import comparison, costs, extrapolations
from bench.simulation.__main__ import FOUND
from bench.simulation.plan import Plan, Planner
from bench.simulation.scenarios import scenarios
from bench.simulation.tables import Tables

TABLE = costs.read()
TABLES = Tables(TABLE)
PLANNER = Planner(TABLES)
MEASURED = {name: entry.value for name, entry in TABLE["figures"].items()}
RUNS = {run.name: run for run in extrapolations.extrapolations(PLANNER)}
KEPT: dict[str, Any] = json.loads(FOUND.read_text(encoding="utf-8"))
# The others take longer than a unit test may; that nothing they depend on has changed is looked at.
QUICK = [name for name in RUNS if name.startswith("five")]


@pytest.mark.parametrize("name", list(scenarios(TABLES)))
def test_the_model_says_what_was_measured(name: str) -> None:
    said = scenarios(TABLES)[name]()

    far = {each for each in said if not comparison.is_close(MEASURED[each], said[each])}
    assert {each for each in far if not comparison.why_far(each)} == set()
    assert {each: KEPT["figures"][each] for each in said} == pytest.approx(said, abs=0.001)


def test_every_figure_is_compared() -> None:
    assert list(KEPT["figures"]) == list(MEASURED)


def test_what_was_used_comes_out() -> None:
    used = {name: KEPT["figures"][name] for name in comparison.CALIBRATED}

    assert used == pytest.approx({name: MEASURED[name] for name in used}, rel=0.02)


@pytest.mark.parametrize("name", list(RUNS))
def test_what_was_extrapolated_is_from_these_costs(name: str) -> None:
    inputs = RUNS[name].inputs(TABLES)

    assert KEPT["extrapolations"][name]["inputs"] == json.loads(json.dumps(inputs))


@pytest.mark.parametrize("name", QUICK)
def test_what_was_extrapolated_is_what_the_model_says(name: str) -> None:
    said = extrapolations.simulate(RUNS[name], TABLES)

    assert KEPT["extrapolations"][name] == json.loads(json.dumps(said))


def test_a_plan_does_what_it_is_for() -> None:
    for rate, name in ((1000.0, "1,000/s"), (10_000.0, "10,000/s")):
        run = KEPT["extrapolations"][name]

        assert run["resultsPerSecond"] >= 0.95 * rate
        assert max(run["busy"].values()) < 0.85


def least(plan: Plan) -> list[float]:
    return [plan.providers, plan.uploads, plan.replicas, plan.consumers, plan.stores, plan.drives]


def test_more_images_never_need_fewer_parts() -> None:
    plans = [least(PLANNER.plan(rate)) for rate in (1, 10, 100, 500, 1000, 5000, 10_000, 50_000)]

    for fewer, more in pairwise(plans):
        assert all(one <= other for one, other in zip(fewer, more, strict=True))


@pytest.mark.parametrize("rate", [1.0, 300.0, 1000.0, 10_000.0])
def test_no_part_of_a_plan_is_busier_than_assumed(rate: float) -> None:
    plan, cost, most = PLANNER.plan(rate), PLANNER.costs, PLANNER.rules["busy at most"]

    assert rate * cost.classifier / plan.replicas <= most + 1e-9
    assert rate * cost.consumer / plan.consumers <= most + 1e-9
    assert rate * (cost.provider_upload + cost.provider) / plan.providers <= most + 1e-9
    assert rate * PLANNER.store_seconds / plan.store_cores <= most + 1e-9


def test_a_lone_image_still_has_two_of_what_may_be_lost() -> None:
    plan = PLANNER.plan(1)

    assert (plan.gateways, plan.providers, plan.uploads, plan.consumers) == (2, 2, 2, 2)
    assert (plan.brokers, plan.partitions, plan.drives) == (3, 4, 12)
