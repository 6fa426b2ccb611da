"""Entity tags: by content, compared weakly, and only where a list of them was sent."""

from __future__ import annotations

import pytest

from pipeline.http import web
from pipeline.http.conditions import conditional, entity_tag, has

TAG = entity_tag("an answer")


def asked(method: str = "GET", **headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    call = web.Call(method, "/", {}, named, b"", "trace")
    return conditional(call, web.respond(200, {"a": 1}, {"X-Cache": "hit"}))


def test_the_same_content_has_the_same_tag_and_no_other_has() -> None:
    assert entity_tag("an answer") == TAG
    assert entity_tag("another") != TAG
    assert TAG.startswith('"')


@pytest.mark.parametrize(
    "sent",
    [
        TAG,
        f"W/{TAG}",
        f'"x", {TAG}',
        f'"x",W/"y"\t,W/{TAG}',
        f", {TAG} ,",
        f'"a,b",{TAG}',
        "*",
        " * ",
    ],
)
def test_a_tag_in_a_list_is_found(sent: str) -> None:
    assert has(sent, TAG)


@pytest.mark.parametrize(
    "sent",
    ["", '"x"', TAG[1:-1], TAG + TAG, f"w/{TAG}", f"*, {TAG}", f"x{TAG}", f'"{TAG}"', "," * 8000],
)
def test_what_is_another_tag_or_no_list_is_not(sent: str) -> None:
    assert not has(sent, TAG)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_the_answer_is_told_no_more_than_that(method: str) -> None:
    whole = asked(method)

    again = asked(method, If_None_Match=whole["headers"]["ETag"])

    assert (again["statusCode"], again["body"]) == (304, "")
    kept = ("ETag", "Cache-Control", "X-Cache")
    assert again["headers"] == {name: whole["headers"][name] for name in kept}


def test_an_answer_is_kept_by_its_client_alone_who_asks_each_time() -> None:
    assert asked()["headers"]["Cache-Control"] == "private, no-cache"
