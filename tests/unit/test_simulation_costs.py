"""The table of costs: where each is from, and that it is still what stands there."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import classifier as image_classifier
import consumer
import fetching
import storing
import waiting
from bench.simulation import classifier, consuming, costs, page, stack, uploading
from bench.simulation.__main__ import FOUND
from bench.simulation.tables import Tables
from pipeline.events.cloudevents import encode_classified
from tests import samples
from tests.stack import ROOT

TABLE = costs.read()
ENTRIES = {f"{group}: {name}": it for group, them in TABLE.items() for name, it in them.items()}
RECORDED = {name: entry for name, entry in ENTRIES.items() if entry.record}
RESULTS = json.loads(costs.RESULTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", list(ENTRIES))
def test_every_cost_says_where_it_is_from(name: str) -> None:
    entry = ENTRIES[name]

    assert entry.kind in costs.KINDS
    assert entry.source
    assert entry.unit
    assert bool(entry.record) == bool(entry.commit)


@pytest.mark.parametrize("name", list(RECORDED))
def test_a_cost_is_what_results_json_says_at_its_commit(name: str) -> None:
    entry = RECORDED[name]

    found = costs.recorded(RESULTS, entry)
    assert found is None or found == pytest.approx(entry.value, rel=0.01)


def test_the_median_of_rounds_counts() -> None:
    entry = costs.Entry(0, "ms", "measured", "P9", "P9/rounds/*/p50", "abc")
    results = {"P9": {"commit": "abc", "rounds": [{"p50": 3}, {"p50": 1}, {"p50": 2}]}}

    assert costs.recorded(results, entry) == 2
    assert costs.recorded(results, replace(entry, commit="def")) is None


def test_costs_are_taken_from_what_was_measured_last(tmp_path: Path) -> None:
    table, results = tmp_path / "costs.json", tmp_path / "results.json"
    entry = {"value": 1, "unit": "ms", "kind": "measured", "source": "P9", "commit": "abc"}
    table.write_text(json.dumps({"a": {"b": entry | {"record": "P9/p50"}, "c": entry}}))
    results.write_text(json.dumps({"P9": {"commit": "def", "p50": 2.5}}))

    costs.take(table, results)

    taken = costs.read(table)["a"]
    assert (taken["b"].value, taken["b"].commit) == (2.5, "def")
    assert (taken["c"].value, taken["c"].commit) == (1, "abc")


def test_the_table_is_written_as_it_is_read(tmp_path: Path) -> None:
    table = tmp_path / "costs.json"
    table.write_bytes(costs.TABLE.read_bytes())

    costs.take(table)

    assert costs.read(table).keys() == TABLE.keys()


def test_the_model_works_as_the_parts_do() -> None:
    functions = yaml.safe_load((ROOT / "stack.yml").read_text(encoding="utf-8"))["functions"]
    in_flight = {name: int(it["environment"]["MAX_INFLIGHT"]) for name, it in functions.items()}

    assert stack.CHUNK_IMAGES == storing.CHUNK_IMAGES == fetching._CHUNK_IMAGES
    assert classifier.CHUNKS_AHEAD == fetching._CHUNKS_AHEAD
    assert classifier.BATCHES == image_classifier._BATCHES
    assert in_flight["image-classifier"] - 2 == classifier.CALLS
    # One tenant sends all of it.
    assert math.ceil(3 / 4 * in_flight["image-upload"]) == uploading.IN_FLIGHT
    assert consuming.BATCHES_AHEAD == consumer._BATCHES_AHEAD
    assert uploading.PAUSES == (waiting._FIRST_PAUSE_SECONDS, 1.5, waiting._LONGEST_PAUSE_SECONDS)


def test_sizes_are_what_the_product_makes() -> None:
    size = costs.group(TABLE, "sizes")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    answer = re.search(r"```json\n(.*?)```", readme, re.DOTALL)
    assert answer
    result = json.loads(answer[1])["result"]
    event = samples.uploaded()
    path = "classification-results/" + "x" * 120

    stored = json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()
    assert len(stored) == pytest.approx(size["result"], rel=0.05)
    assert len(event.encode()) == pytest.approx(size["upload event"], rel=0.05)
    classified = encode_classified(event, result, path)
    assert len(classified) == pytest.approx(size["result event"], rel=0.05)


def test_the_page_is_what_the_table_says() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    found = json.loads(FOUND.read_text(encoding="utf-8"))

    assert page.render(text, Tables(TABLE), found) == text, "python -m bench.simulation --write"
