"""The document of the calls as Swagger UI and ReDoc show it in a real browser, from here alone."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from gateway.openapi.document import operations
from tests.browser import Visit, running_browser, visit
from tests.gateway import Gateway, running_gateway

pytestmark = pytest.mark.timeout(900)

PATHS = sorted({each.path for each in operations()})


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as started:
        yield started


def came_from_here_without_complaint(visited: Visit, gateway: Gateway) -> bool:
    assert visited.complaints == []
    assert visited.refused == []
    places = {urlsplit(each.url.removeprefix("blob:")).netloc for each in visited.requests}
    return places == {f"127.0.0.1:{gateway.port}"}


def test_swagger_ui_shows_every_call(browser: Browser, gateway: Gateway) -> None:
    with visit(browser, f"http://127.0.0.1:{gateway.port}/docs") as visited:
        shown = visited.page.locator(".opblock-summary-path")
        expect(shown).to_have_count(len(operations()))
        paths = {path.replace("\u200b", "") for path in shown.all_inner_texts()}
        visited.page.locator("#operations-images-uploadImages button").first.click()
        expect(visited.page.locator(".responses-inner").first).to_contain_text("207")

        assert sorted(paths) == PATHS
        assert came_from_here_without_complaint(visited, gateway)


def test_swagger_ui_tries_a_call_with_the_key(browser: Browser, gateway: Gateway) -> None:
    with visit(browser, f"http://127.0.0.1:{gateway.port}/docs") as visited:
        page = visited.page
        page.locator(".auth-wrapper .authorize").first.click()
        page.locator(".auth-container input").first.fill(gateway.key)
        page.locator(".auth-btn-wrapper .authorize").first.click()
        page.locator(".btn-done").first.click()
        call = page.locator(".opblock", has_text="/api/v1/key")
        call.locator(".opblock-summary-control").click()
        call.locator(".try-out__btn").click()
        call.locator(".execute").click()

        expect(call.locator(".live-responses-table")).to_contain_text('"tenant": "default"')
        assert came_from_here_without_complaint(visited, gateway)


def test_redoc_shows_the_calls(browser: Browser, gateway: Gateway) -> None:
    with visit(browser, f"http://127.0.0.1:{gateway.port}/redoc") as visited:
        for each in operations():
            expect(visited.page.get_by_role("heading", name=each.summary).first).to_be_attached()

        assert came_from_here_without_complaint(visited, gateway)
