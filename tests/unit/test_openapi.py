"""The document of the calls: it is valid, whole, and says what code and gateway say."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from gateway.openapi import codes
from gateway.openapi.document import document, operations, text
from pipeline.images.formats import FORMATS
from pipeline.limits import DEFAULTS, Limits
from pipeline.names import SCOPES
from tests.contract import Contract, Undocumented, contract, sample
from tests.security import routes
from tests.stack import ROOT

COPY = ROOT / "docs" / "openapi.json"
DOCUMENT = document()
# What the consumer alone is told, which does not come through the gateway.
INSIDE = {"bad-batch", "batch-too-large", "malformed-event"}
# What no request to a call of the document leads to: another method or path does, or a body that is
# never ended, which Nginx gives up without an answer; or a header that Nginx does not pass on.
NO_CALL = {
    *("method-not-allowed", "not-found", "request-too-slow", "length-required"),
    *("range-not-satisfiable", "misdirected-request", "http-version-not-supported"),
    *("insufficient-storage", "expectation-failed"),
}
CALLS = [(each.method, each.path) for each in operations()]


def location_of(path: str) -> str:
    """The location that Nginx chooses: exact, else the first expression, else the longest start."""
    known = routes.locations()
    if f"= {path}" in known:
        return f"= {path}"
    for name in routes.ordered():
        if name.startswith("~ ") and re.search(name[2:].replace("(?<", "(?P<"), path):
            return name
    starts = [name for name in known if name.startswith("/") and path.startswith(name)]
    return max(starts, key=len)


def answers() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every JSON answer of the document: who gives it, its schema's place, its examples."""
    for response in DOCUMENT["components"]["responses"].values():
        for kind, media in response["content"].items():
            yield "a problem", kind, media
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            for status, response in operation["responses"].items():
                for kind, media in response.get("content", {}).items():
                    yield f"{method} {path} {status}", kind, media


def test_the_copy_is_the_document_of_the_defaults() -> None:
    """`python -m gateway.openapi.document` writes it."""
    assert COPY.read_text(encoding="utf-8") == text()


def test_it_is_a_valid_document() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import schemathesis

    schemathesis.openapi.from_dict(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1")


def test_every_schema_is_one() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere() -> None:
    for place in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT))):
        found: Any = DOCUMENT
        for part in place.split("/"):
            found = found[part.replace("~1", "/")]


def test_examples_fit_their_schemas() -> None:
    tried = 0
    for who, kind, media in answers():
        for example in media.get("examples", {}).values():
            schema = {**media["schema"], "components": DOCUMENT["components"]}
            jsonschema.Draft202012Validator(schema).validate(example["value"])
            tried += 1
        assert (
            not kind.endswith("json")
            or media.get("examples")
            or "openapi.json" in who
            or (kind == "application/problem+json")
        ), who
    assert tried > 80


@pytest.mark.parametrize("location", sorted(routes.locations()))
def test_every_location_of_the_gateway_is_in_it(location: str) -> None:
    led_to = {location_of(sample(path)) for _, path in CALLS}

    assert (location in led_to) != routes.is_nothing(location)


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_call_asks_for_what_its_location_asks_for(method: str, path: str) -> None:
    location = location_of(sample(path))
    security = DOCUMENT["paths"][path][method]["security"]

    if security and "apiKey" in security[0]:
        rows = {row.scope for row in routes.ROWS[location] if method.upper() in row.methods}
        assert not security[0]["apiKey"] or security[0]["apiKey"][0] in rows | set(SCOPES)
        assert "401" in DOCUMENT["paths"][path][method]["responses"]
    elif location in routes.ROWS:
        assert "page" in location  # whose own files are for everybody
    else:
        assert location in routes.WITHOUT_A_KEY


def test_every_row_of_the_routes_is_a_call_of_it() -> None:
    calls = [(method, row.target) for row in routes.rows() for method in row.methods]

    missing = [call for call in calls if contract().call(*call) is None]

    # Behind the gateway it is refused: 405.
    assert {(method, target.split("/")[1]) for method, target in missing} == {
        ("GET", "async-function")
    }


def test_every_code_of_a_problem_is_in_it() -> None:
    said = set(re.findall(rf"{codes.TYPE}([a-z-]+)", json.dumps(DOCUMENT["components"])))

    assert codes.known().keys() - said - NO_CALL == INSIDE


def test_pictures_are_taken_as_the_formats_are_known() -> None:
    body = DOCUMENT["paths"]["/api/v1/images"]["post"]["requestBody"]["content"]

    assert {kind.mime_type for kind in FORMATS} < body.keys()


def test_it_is_written_for_the_limits_of_its_stack() -> None:
    told = text(Limits(max_image_bytes=1_234_567))

    assert "1,234,567 bytes" in told
    assert f"{DEFAULTS.max_image_bytes:,} bytes" not in told


def test_every_call_has_a_name_of_its_own_and_a_method_that_is_passed_on() -> None:
    names = [each.name for each in operations()]

    assert len(names) == len(set(names))
    assert {method.upper() for method, _ in CALLS} <= set(routes.methods())


NAMES = {"X-Request-Id": "x", "X-Trace-Id": "x"}
JSON = {**NAMES, "Content-Type": "application/json"}
HEALTH = b'{"status": "ok", "version": "1"}'


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("status", ("GET", "/healthz", 418, JSON, HEALTH)),
        ("version", ("GET", "/healthz", 200, JSON, b'{"status": "ok"}')),
        ("unexpected", ("GET", "/healthz", 200, JSON, HEALTH[:-1] + b', "more": 1}')),
        ("type", ("GET", "/healthz", 200, {**NAMES, "Content-Type": "text/html"}, HEALTH)),
        ("X-Trace-Id", ("GET", "/healthz", 200, {"X-Request-Id": "x", **JSON} | {"x": ""}, b"{}")),
        ("no documented call", ("GET", "/api/v2", 200, JSON, b"{}")),
        ("204", ("OPTIONS", "/api/v1/images", 204, NAMES, b"")),
        ("with a body", ("POST", "/async-function/x", 202, {**NAMES, "X-Call-Id": "x"}, b"x")),
    ],
)
def test_an_answer_that_is_not_in_it_is_found(said: str, answer: tuple[Any, ...]) -> None:
    method, target, status, headers, body = answer
    if said == "X-Trace-Id":
        headers = {name: value for name, value in headers.items() if name != said}

    with pytest.raises(Undocumented, match=said):
        contract().check(method, target, status, headers, body)


def test_an_answer_that_is_in_it_is_told_by_its_call() -> None:
    call = contract().check("GET", "/healthz?x", 200, JSON, HEALTH)

    assert str(call) == "GET /healthz"
    assert contract().check("HEAD", "/healthz", 200, JSON, b"") == call


def test_a_path_that_is_written_out_goes_before_one_with_parameters() -> None:
    assert str(Contract().call("POST", "/function/image-classifier")) == (
        "POST /function/image-classifier"
    )
