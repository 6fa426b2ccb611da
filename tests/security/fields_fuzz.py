"""Headers, queries and batches that no client sends: each is understood in one way or refused."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

import batches
from filters import LabelFilter, model_in
from pipeline.errors import Rejected
from pipeline.http import web
from tests.samples import uploaded
from waiting import preferred_seconds

_LONGEST_WAIT_SECONDS = 30
# A header is bytes, each a character; a query is any text.
_HEADER = st.characters(max_codepoint=255)
_PREFERENCES = st.lists(
    st.one_of(
        st.text(_HEADER, max_size=12),
        st.sampled_from(
            ["wait", "Wait", "=", '"', "5", "05", "-1", ";", ",", " ", "\\", "x-async"]
        ),
    ),
    max_size=20,
).map("".join)
_NUMBERS = st.one_of(
    st.text(max_size=12),
    st.floats().map(str),
    st.integers().map(str),
    st.text("0123456789.eE+-_ \u0660\u06f5\uff11", max_size=8),
)
_EVENT = uploaded().encode()
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def fuzz(count: int, seed_: int = 0) -> None:
    """Try `count` of each kind."""
    quietly = settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    @seed(seed_)
    @quietly
    @given(_PREFERENCES)
    def a_preference_is_a_wait_within_bounds(prefer: str) -> None:
        assert 0 <= preferred_seconds(prefer, _LONGEST_WAIT_SECONDS) <= _LONGEST_WAIT_SECONDS

    @seed(seed_)
    @quietly
    @given(st.lists(st.tuples(st.sampled_from(["minConfidence", "maxLabels", "model"]), _NUMBERS)))
    def a_query_is_a_filter_or_refused(items: list[tuple[str, str]]) -> None:
        query = MultiDict(items)
        try:
            labels, model = LabelFilter.from_query(query), model_in(query, "current")
        except Rejected as error:
            web.problem(error, "trace")["body"].encode()
            return
        assert len(items) == len({name for name, _ in items})
        assert 0 <= labels.min_confidence <= 1
        assert all(value.isascii() and value == value.strip() for _, value in items)
        assert model == query.get("model", "current")

    @seed(seed_)
    @quietly
    @given(st.one_of(st.binary(), _json_bytes(), _mutated(_EVENT)))
    def a_batch_is_read_or_refused(body: bytes) -> None:
        try:
            batch = batches.parse(body)
        except Rejected as error:
            web.problem(error, "trace")["body"].encode()
            return
        for event in batch:
            event.encode()

    a_preference_is_a_wait_within_bounds()
    a_query_is_a_filter_or_refused()
    a_batch_is_read_or_refused()


def _json_bytes() -> st.SearchStrategy[bytes]:
    return _JSON.map(lambda value: json.dumps([value]).encode())


@st.composite
def _mutated(draw: st.DrawFn, event: bytes) -> bytes:
    """A batch of one event, of which a piece is another."""
    start = draw(st.integers(0, len(event)))
    end = draw(st.integers(start, min(len(event), start + 40)))
    piece = draw(
        st.one_of(st.binary(max_size=20), st.sampled_from([b'"\\ud800"', b"1e999", b"[" * 2000]))
    )
    return b"[" + event[:start] + piece + event[end:] + b"]"
