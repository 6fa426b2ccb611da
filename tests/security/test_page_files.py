"""The page is open to everybody, and nothing beside it is; its headers let nothing in or out."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import reference
from gateway.openapi import document
from tests.gateway import Answer, Gateway, running_gateway
from tests.stack import ROOT

SOURCE = ROOT / "gateway" / "web"
KEYLESS = "X-Api-Key: none"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PAGES = {"index.html": "/", "docs.html": "/docs", "redoc.html": "/redoc"}
FILES = {
    PAGES.get(path.name) or f"/{path.relative_to(SOURCE).as_posix()}": path
    for path in sorted(SOURCE.rglob("*.*"))
}
# What is allowed, directive by directive; nothing is but this.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
# What Swagger UI and ReDoc cannot do without. ReDoc writes its styles into an element that is empty
# at first, and into one whose text is always the same: their hashes alone are allowed.
OF_DOCUMENTS = {
    **POLICY,
    "img-src": "'self' data:",
    "require-trusted-types-for": None,
    "trusted-types": None,
}
POLICIES = {
    "/docs": OF_DOCUMENTS,
    "/redoc": {
        **OF_DOCUMENTS,
        "style-src": "'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
        " 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
        "worker-src": "blob:",
    },
}
NO_FILES = [
    "/index.html", "/page", "/page/", "/page/nothing.js", "/page/main.js/", "/page/main.js/x",
    "/page/index.html", "/page/main", "/page/.main.js", "/web/page/main.js", "/api-keys.map",
    "/docs.html", "/docs/", "/docs/x", "/redoc/", "/openapi.json/", "/page/openapi.json",
    "/page/reference/", "/page/MAIN.JS", "/nginx.conf", "/page/api-keys.map", "/main.js",
]  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def ask(
    gateway: Gateway, target: str, method: str = "GET", *lines: str, body: bytes = b""
) -> Answer:
    return gateway.ask(target, method, KEYLESS, *lines, body=body)


@pytest.mark.parametrize("target", FILES)
def test_a_file_of_the_page_needs_no_key_and_has_its_type(gateway: Gateway, target: str) -> None:
    answer = ask(gateway, target)

    assert (answer.status, answer.headers["content-type"]) == (200, TYPES[FILES[target].suffix])
    said = FILES[target].read_text(encoding="utf-8").replace("${MAX_IMAGE_BYTES}", "20000000")
    assert answer.body.decode() == said


@pytest.mark.parametrize("target", FILES)
def test_every_file_says_what_a_browser_may_do(gateway: Gateway, target: str) -> None:
    headers = ask(gateway, target).headers

    rules = [rule.strip() for rule in headers["content-security-policy"].split(";")]
    allowed = POLICIES.get(target, POLICY)
    assert dict(rule.split(" ", 1) for rule in rules) == {
        name: said for name, said in allowed.items() if said
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["x-trace-id"]


@pytest.mark.parametrize("target", NO_FILES)
def test_what_is_no_file_of_the_page_is_as_any_other_path(gateway: Gateway, target: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        answer = ask(gateway, target, method)
        assert (answer.status, answer.headers["content-type"]) == (401, "application/problem+json")
        assert gateway.ask(target, method).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("target", ["/", "/page/main.js", "/docs", "/openapi.json"])
def test_the_page_is_read_and_nothing_else(gateway: Gateway, target: str, method: str) -> None:
    answer = ask(gateway, target, method, body=b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert (answer.status, answer.code) == (405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD"


def test_a_large_body_is_not_read_for_a_page(gateway: Gateway) -> None:
    answer = gateway.ask("/", "GET", KEYLESS, "Content-Length: 8000000")

    assert (answer.status, answer.code) == (413, "body-too-large")


def test_a_copy_is_asked_about_each_time_and_sent_once(gateway: Gateway) -> None:
    for target in FILES:
        first = ask(gateway, target)
        tag = first.headers["etag"]
        again = ask(gateway, target, "GET", f"If-None-Match: {tag}")
        other = ask(gateway, target, "GET", 'If-None-Match: "another"')

        assert first.headers["cache-control"] == "no-cache"
        assert "last-modified" not in first.headers
        assert (again.status, again.body, other.status) == (304, b"", 200)
        assert again.headers["content-security-policy"]


def test_the_document_of_the_calls_is_for_everybody(gateway: Gateway) -> None:
    answer = ask(gateway, "/openapi.json")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.body.decode() == document.text()


@pytest.mark.parametrize("name", reference.files())
def test_the_files_that_show_it_are_those_of_the_package(gateway: Gateway, name: str) -> None:
    answer = ask(gateway, f"/page/reference/{name}")

    assert (answer.status, answer.headers["content-type"]) == (200, TYPES[Path(name).suffix])
    assert answer.body.decode() == reference.files()[name]


@pytest.mark.parametrize("target", ["/openapi.json", "/page/reference/swagger-ui-bundle.js"])
def test_a_large_file_is_packed_once_and_not_for_each_who_asks(
    gateway: Gateway, target: str
) -> None:
    plain, packed = ask(gateway, target), ask(gateway, target, "GET", "Accept-Encoding: gzip")
    stored = gateway.stack.gateway_dir / "web" / f"{target[1:]}.gz"

    assert packed.headers["content-encoding"] == "gzip"
    assert packed.body == stored.read_bytes()
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert packed.headers["content-security-policy"]


def test_texts_are_packed_for_whoever_takes_it(gateway: Gateway) -> None:
    plain, packed = ask(gateway, "/"), ask(gateway, "/", "GET", "Accept-Encoding: gzip")

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["vary"]
    assert gzip.decompress(packed.body) == plain.body


def test_a_part_of_a_file_is_not_sent(gateway: Gateway) -> None:
    assert ask(gateway, "/", "GET", "Range: bytes=0-1").status == 200


def test_another_content_is_another_copy_and_what_is_gone_is_not_served(
    gateway: Gateway, tmp_path: Path
) -> None:
    served = gateway.stack.gateway_dir / "web" / "page"
    tag = ask(gateway, "/page/numbers.js").headers["etag"]
    (served / "of-an-older-page.js").write_text("old")
    same_size = (served / "numbers.js").read_text().replace("kB", "KB")
    (served / "numbers.js").write_text(same_size)
    assert ask(gateway, "/page/of-an-older-page.js").status == 200

    gateway.stop()
    gateway.start()

    assert ask(gateway, "/page/of-an-older-page.js").status == 401
    assert ask(gateway, "/page/numbers.js").headers["etag"] == tag


def test_a_key_says_whose_it_is(gateway: Gateway) -> None:
    known, head = gateway.ask("/api/v1/key"), gateway.ask("/api/v1/key", "HEAD")
    unknown, written = ask(gateway, "/api/v1/key"), gateway.ask("/api/v1/key", "POST", body=b"x")

    assert known.headers["content-type"] == "application/json"
    assert known.headers["cache-control"] == "no-store"
    assert known.body == b'{"tenant":"default","scope":"upload read admin"}\n'
    assert (head.status, head.body) == (200, b"")
    assert (unknown.status, unknown.code) == (401, "unauthorized")
    assert (written.status, written.headers["allow"]) == (405, "GET, HEAD")
