"""A real browser on the page: Debian's Chromium, what it asked for and what it complained of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from local.services.fetch import debian
from local.services.settings import Stack

# Of one thing to be seen, on a machine that has other work.
PATIENCE_MILLISECONDS = 120_000
# Nothing of the browser's own goes anywhere, and root may start it.
_ARGUMENTS = [
    "--disable-background-networking", "--disable-component-update", "--disable-gpu",
    "--disable-quic", "--disable-sync", "--no-first-run",
]  # fmt: skip
_REFUSED = "Failed to load resource: the server responded with a status of "


@dataclass
class Visit:
    """One person's tab, and everything that it did.

    Attributes:
        requests: all that were made, in their order.
        complaints: warnings and errors of the console, exceptions, dialogs; not what the browser
            itself says of an answer that is none of success.
        refused: the statuses of those answers.
        at_once: the most requests that were under way together.
    """

    page: Page
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    at_once: int = 0
    _under_way: set[Request] = field(default_factory=set)

    def listen(self) -> None:
        """Note what happens from now on."""
        self.page.on("request", self._began)
        self.page.on("requestfinished", self._ended)
        self.page.on("requestfailed", self._ended)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        # From the start: a browser that is told while a key is pressed opens a dialog of its own.
        self.page.on("filechooser", lambda _: None)
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))

    def sign_in(self, key: str) -> None:
        """Give the key in the form, and wait until pictures are taken."""
        self.page.get_by_label("Your API key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Choose pictures")).to_be_visible()

    def choose(self, *paths: Path) -> None:
        """Choose files in the dialog."""
        with self.page.expect_file_chooser() as dialog:
            self.page.get_by_role("button", name="Choose pictures").click()
        dialog.value.set_files(list(paths))

    def drop(self, *paths: Path) -> None:
        """Drop files or folders on the page, as from another window."""
        session = self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            place = {"type": kind, "x": 200, "y": 200, "data": data}
            session.send("Input.dispatchDragEvent", place)
        session.detach()

    def card(self, name: str) -> Any:
        """The one picture of this name."""
        exactly = self.page.locator(".name").get_by_text(name, exact=True)
        return self.page.get_by_role("listitem").filter(has=exactly)

    def ended(self, count: int) -> None:
        """Wait until so many pictures are shown, and all of them as done or failed."""
        expect(self.page.locator(".card")).to_have_count(count)
        states = self.page.locator(".card[data-state=completed], .card[data-state=failed]")
        expect(states).to_have_count(count)

    def asked(self, path: str) -> list[Request]:
        """The requests for what begins with this path."""
        return [each for each in self.requests if f"/{each.url.split('/', 3)[3]}".startswith(path)]

    def is_wider_than_its_window(self) -> bool:
        """Whether something can be scrolled to the side."""
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.page.evaluate(wide))

    def _began(self, request: Request) -> None:
        self.requests.append(request)
        # Pictures that lie in the page's own memory come over no connection.
        if request.url.startswith("http"):
            self._under_way.add(request)
            self.at_once = max(self.at_once, len(self._under_way))

    def _ended(self, request: Request) -> None:
        self._under_way.discard(request)

    def _said(self, message: ConsoleMessage) -> None:
        if message.text.startswith(_REFUSED):
            self.refused.append(int(message.text.removeprefix(_REFUSED)[:3]))
        elif message.type in ("warning", "error"):
            self.complaints.append(message.text)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start Chromium; the first call of a machine has it installed."""
    program = debian.chromium(Stack.from_env(os.environ))
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def visit(browser: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """Open the page in a tab that shares nothing with others.

    Args:
        options: Playwright's, as `color_scheme` or `viewport`.
    """
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    try:
        visited = Visit(context.new_page())
        visited.listen()
        visited.page.goto(url)
        yield visited
    finally:
        context.close()
