"""What the query of an image may say, and how its result is narrowed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from werkzeug.datastructures import MultiDict

from filters import LabelFilter, model_in
from pipeline.errors import Rejected

MODEL = "demonstration-0123456789ab"
RESULT = {"labels": [{"label": "star", "score": 0.9}, {"label": "o", "score": 0.1}]}


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ({}, ["star", "o"]),
        ({"minConfidence": "0.5"}, ["star"]),
        ({"maxLabels": "1"}, ["star"]),
        ({"minConfidence": "1"}, []),
        ({"minConfidence": "1.0"}, []),
        (MultiDict([("minConfidence", "0.5"), ("utm", "a"), ("utm", "b")]), ["star"]),
    ],
)
def test_labels_are_filtered_by_the_query(query: Mapping[str, str], labels: list[str]) -> None:
    kept = LabelFilter.from_query(query).apply(RESULT)

    assert [label["label"] for label in kept["labels"]] == labels


@pytest.mark.parametrize(
    "query",
    [
        {"minConfidence": "much"},
        {"minConfidence": "nan"},
        {"minConfidence": "1.1"},
        {"maxLabels": "0"},
        {"maxLabels": "-1"},
        {"maxLabels": "²"},
        {"maxLabels": "01"},
        {"maxLabels": "+1"},
        {"maxLabels": "1000000"},
        {"minConfidence": "0_1"},
        {"minConfidence": "0_1.0"},
        {"minConfidence": "\N{ARABIC-INDIC DIGIT ZERO}"},
        {"minConfidence": "0.\N{ARABIC-INDIC DIGIT FIVE}"},
        {"minConfidence": " 0.5"},
        {"minConfidence": "0.5\n"},
        {"minConfidence": "+0.5"},
        {"minConfidence": "-0"},
        {"minConfidence": "00.5"},
        {"minConfidence": "1e-3"},
        {"minConfidence": ""},
        {"minConfidence": "1.00000000000000000000000001"},
        MultiDict([("minConfidence", "0.5"), ("minConfidence", "0.5")]),
        MultiDict([("maxLabels", "1"), ("maxLabels", "2")]),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(query: Mapping[str, str]) -> None:
    with pytest.raises(Rejected, match=r"allowed:"):
        LabelFilter.from_query(query)


def test_a_model_that_is_no_model_id_is_refused() -> None:
    assert model_in({}, MODEL) == MODEL
    with pytest.raises(Rejected, match="model is"):
        model_in({"model": "../x"}, MODEL)
    with pytest.raises(Rejected, match="model is 'a, b'"):
        model_in(MultiDict([("model", "a"), ("model", "b")]), MODEL)
