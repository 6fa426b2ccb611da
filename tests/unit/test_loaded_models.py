"""Which engine answers for which model, and how many are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine import Engine
from loaded_models import LoadedModels
from pipeline.errors import ModelRefused, Unavailable
from tests.unit.test_manifest import MANIFEST


class NamedEngine(Engine):
    """An engine that only has a name."""

    manifest = MANIFEST

    def __init__(self, name: str) -> None:
        self.manifest = replace(MANIFEST, name=name)


class Bundles:
    """Bundles in a store, each loaded with a note of it; those not named are gone."""

    def __init__(self, *names: str) -> None:
        engines = [NamedEngine(name) for name in names]
        self.engines = {engine.manifest.model_id: engine for engine in engines}
        self.loaded: list[str] = []
        self.problem: Exception | None = None

    def load(self, model_id: str) -> NamedEngine | None:
        self.loaded.append(model_id.partition("-")[0])
        if self.problem:
            raise self.problem
        return self.engines.get(model_id)


def model_id(name: str) -> str:
    return NamedEngine(name).manifest.model_id


def engines_with(bundles: Bundles, others: int = 2) -> LoadedModels:
    return LoadedModels(NamedEngine("current"), bundles.load, others)


def test_the_current_model_is_never_loaded_again() -> None:
    bundles = Bundles("current")
    engines = engines_with(bundles)

    assert engines.get(model_id("current")) is engines.current
    assert bundles.loaded == []


def test_another_model_is_loaded_once() -> None:
    bundles = Bundles("a")
    engines = engines_with(bundles)

    assert [engines.get(model_id("a")).manifest.name for _ in range(3)] == ["a"] * 3
    assert bundles.loaded == ["a"]


def test_the_least_recently_used_gives_way() -> None:
    bundles = Bundles("a", "b", "c")
    engines = engines_with(bundles)

    for name in ("a", "b", "a", "c", "a", "b"):
        engines.get(model_id(name))

    assert bundles.loaded == ["a", "b", "c", "b"]


def test_for_a_model_that_is_gone_the_current_one_answers() -> None:
    engines = engines_with(Bundles())

    assert engines.get(model_id("gone")) is engines.current


def test_for_a_damaged_model_the_current_one_answers() -> None:
    bundles = Bundles("a")
    bundles.problem = ModelRefused("one bit is wrong")
    engines = engines_with(bundles)

    assert engines.get(model_id("a")) is engines.current


def test_a_store_that_does_not_answer_is_waited_for() -> None:
    bundles = Bundles("a")
    bundles.problem = Unavailable("MinIO does not answer")

    with pytest.raises(Unavailable):
        engines_with(bundles).get(model_id("a"))
