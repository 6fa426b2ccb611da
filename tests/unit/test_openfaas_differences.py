"""Which differences between two gateways the page lists, and which it does not, or no longer."""

from __future__ import annotations

from tests.openfaas import differences, facts
from tests.openfaas.differences import NOTHING, Difference, Row
from tests.openfaas.door import Answer

FOUND = Difference("make a secret", "status", "202", "201")


def test_facts_of_one_side_alone_differ_too() -> None:
    found = differences.between({"status": "200", "body": "none"}, {"status": "200", "x": "1"}, "a")

    assert list(found) == [
        Difference("a", "body", "none", NOTHING),
        Difference("a", "x", NOTHING, "1"),
    ]


def test_a_case_that_one_side_has_not_been_asked_is_not_compared() -> None:
    assert differences.found({"a": {"status": "200"}}, {"b": {"status": "201"}}) == []


def test_a_row_allows_what_it_says_and_nothing_else() -> None:
    row = Row("make a secret", "status", "202", "201", "why")

    assert differences.unlisted([FOUND], [row]) == []
    other = Difference("make a secret", "status", "202", "500")
    assert differences.unlisted([other], [row]) == [other]


def test_a_row_may_tell_of_several_cases_and_facts() -> None:
    row = Row("list; make *", "status; body", "20?", "*", "why")

    assert differences.unlisted([FOUND], [row]) == []
    assert not row.allows(Difference("remove a secret", "status", "202", "201"))
    assert not row.allows(Difference("make a secret", "header Allow", "202", "201"))


def test_what_is_listed_and_no_longer_so_is_told() -> None:
    row = Row("make a secret", "status", "202", "201", "why")

    assert differences.gone([FOUND], [row]) == []
    assert differences.gone([], [row]) == [row]


def test_the_page_lists_each_difference_with_its_reason() -> None:
    rows = differences.listed()

    assert rows
    assert [row for row in rows if not all(vars(row).values())] == []


def test_a_value_that_changes_from_run_to_run_is_told_by_its_kind() -> None:
    assert facts.kind("0f1e2d3c-0000-4000-8000-123456789abc") == "a UUID"
    assert facts.kind("1796000000000000000") == "nanoseconds since 1970"
    assert facts.kind("203.0.113.9, 10.0.0.1:4711") == "an address, an address and a port"
    assert facts.kind("text/plain; charset=utf-8") == "text/plain; charset=utf-8"


def test_a_body_is_told_by_what_it_is() -> None:
    def body(text: bytes, kind: str = "text/plain") -> str:
        return facts.of_answer(Answer(200, [("Content-Type", kind)], text))["body"]

    assert body(b"\n") == "none"
    assert body(b"no such function") == "text"
    assert body(b'{"a": 1}') == "an object in JSON"
    assert body(b"[]") == "a list in JSON"
    assert body(b"{}", "application/problem+json") == "a problem in JSON"
