"""Which origins may be listed, and what Nginx is told of them."""

from __future__ import annotations

import pytest

from gateway import cors


@pytest.mark.parametrize(
    "text",
    [
        "https://photos.example",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
        "http://localhost",
        "https://a.example, http://b.example:8080",
    ],
)
def test_an_origin_as_browsers_write_it_is_taken(text: str) -> None:
    assert cors.origins(text) == text.split(", ")


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "https://*.example",
        "https://photos.example/",
        "https://photos.example/page",
        "photos.example",
        "ftp://photos.example",
        "https://Photos.example",
        "https://photos.example:443",
        "http://photos.example:80",
        "https://photos.example:0",
        'https://photos.example"; return 200 "',
        "https://a.example https://b.example",
        "https://user@photos.example",
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="CORS_ORIGINS") as refused:
        cors.origins(f"https://good.example,{text}")

    assert repr(text) in str(refused.value)


def test_there_are_no_more_than_can_be_looked_over() -> None:
    with pytest.raises(ValueError, match="33 origins; the most are 32"):
        cors.origins(",".join(f"https://{number}.example" for number in range(33)))


def test_without_origins_no_answer_speaks_of_them() -> None:
    assert "https" not in cors.maps("")
    assert "Origin" not in cors.maps("")


def test_an_origin_is_answered_as_it_is_listed_once() -> None:
    told = cors.maps("https://a.example,https://a.example")

    assert told.count('"https://a.example" "https://a.example";') == 1
    assert 'default "Origin";' in told
