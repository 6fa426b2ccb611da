"""The page at `/` in a real browser: twenty files of all kinds, each ends as it should."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, expect

from pipeline import limits
from tests import pictures
from tests.browser import Visit, running_browser, visit
from tests.sending import BUSY
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.timeout(900)

EXAMPLE = ROOT / "models" / "demonstration" / "example.png"
MARKUP = "<img src=x onerror=document.title=1>&amp;.jpg"
LONG = "a name that somebody has given to a picture on a long holiday by the sea " * 2 + ".jpg"
PHONE = {"width": 360, "height": 740}

# What a picture ends as, and what is said of it.
COMPLETED = {
    "star.png": "star",
    "first.jpg": "Done",
    MARKUP: "Done",
    LONG: "Done",
    'it is "quoted" \\ 100 %.jpg': "Done",
    "\u202egpj.exe täglich 日本.jpg": "Done",
    "wrongly-named.txt": "Done",
    "picture.webp": "Done",
    "picture.gif": "Done",
    "picture.bmp": "Done",
    "deep.jpg": "Done",
}
DUPLICATES = {"copy.jpg": "first.jpg", "again.jpg": "first.jpg", "star again.png": "star.png"}
FAILED = {
    "damaged.png": "The picture is damaged.",
    "cut-off.jpg": "The end of the picture is missing.",
    "notes.md": "This is no picture that can be read here.",
    "empty.jpg": "The file is empty.",
    "small.png": "The picture is too small.",
    "large.bmp": "The file is too large.",
}
ALL = {**COMPLETED, **DUPLICATES, **FAILED}


def files(folder: Path) -> Path:
    """Write the twenty files, one in a folder of its own, beside two that are nobody's pictures."""

    def fresh_picture(kind: str) -> bytes:
        # One pixel of 16 million, as not every format takes a comment.
        made = pictures.gradient()
        made.putpixel((0, 0), tuple(os.urandom(3)))
        return pictures.encode(made, kind)

    contents = {name: pictures.fresh(f"page {name}") for name in COMPLETED}
    contents |= {
        "star.png": EXAMPLE.read_bytes(),
        "picture.webp": fresh_picture("WEBP"),
        "picture.gif": fresh_picture("GIF"),
        "picture.bmp": fresh_picture("BMP"),
        "damaged.png": pictures.damaged_inside(os.urandom(8)),
        "cut-off.jpg": pictures.fresh("page cut off")[:-100],
        "notes.md": b"# These are notes\n",
        "empty.jpg": b"",
        "small.png": pictures.encode(Image.new("RGB", (8, 8), "red"), "PNG"),
        "large.bmp": bytes(limits.Limits().max_image_bytes + 1),
        ".DS_Store": b"x",
        "Thumbs.db": b"x",
    }
    (folder / "inside").mkdir()
    for name, data in contents.items():
        (folder / ("inside" if name == "deep.jpg" else "") / name).write_bytes(data)
    for name, first in DUPLICATES.items():
        shutil.copy(folder / first, folder / name)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as started:
        yield started


@pytest.fixture(scope="module")
def mixed(
    browser: Browser, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visit]:
    """A tab in which a folder of twenty files was dropped, all of which have ended."""
    with visit(browser, stack.url, viewport={"width": 1200, "height": 900}) as visited:
        visited.sign_in(stack.api_key)
        visited.drop(files(tmp_path_factory.mktemp("mixed")))
        visited.ended(len(ALL))
        yield visited


def test_each_file_ends_as_it_should(mixed: Visit) -> None:
    assert len(ALL) == 20
    for names, state in ((COMPLETED | DUPLICATES, "completed"), (FAILED, "failed")):
        for name in names:
            expect(mixed.card(name)).to_have_attribute("data-state", state)
    for name, said in (COMPLETED | FAILED).items():
        expect(mixed.card(name)).to_contain_text(said)
    expect(mixed.page.locator("#counts")).to_have_text("14 of 20 pictures labelled, 6 failed")


def test_equal_files_are_named(mixed: Visit) -> None:
    named = 0
    for name, first in DUPLICATES.items():
        same = [name, first, *(other for other, it in DUPLICATES.items() if it == first)]
        # Which of them came first is told by nobody: they are sent side by side.
        text = mixed.card(name).text_content()
        named += any(f"The same picture as {other}" in text for other in same)
    first_ones = [mixed.card(name).text_content() for name in set(DUPLICATES.values())]
    named += sum("The same picture as " in text for text in first_ones)

    assert named == len(DUPLICATES)


def test_labels_have_bars_as_long_as_they_are_likely(mixed: Visit) -> None:
    first = mixed.card("star.png").get_by_role("list").get_by_role("listitem").first
    bar = first.locator(".bar-of-label")

    first.scroll_into_view_if_needed()
    expect(first).to_contain_text("star")
    share = bar.evaluate("bar => bar.offsetWidth / bar.parentElement.offsetWidth")
    assert share > 0.9
    expect(mixed.page.locator("#model")).to_contain_text("a demonstration")


def test_the_picture_itself_is_shown_and_what_is_none_leaves_a_place(mixed: Visit) -> None:
    shown = mixed.card("first.jpg").locator("img")
    shown.scroll_into_view_if_needed()

    expect(shown).to_have_js_property("naturalWidth", 96)
    mixed.card("notes.md").scroll_into_view_if_needed()
    expect(mixed.card("notes.md").locator("img")).to_have_count(0)


def test_a_name_with_markup_is_text(mixed: Visit) -> None:
    expect(mixed.card(MARKUP).locator(".name")).to_have_text(MARKUP)
    assert mixed.page.locator("img[src=x]").count() == 0
    assert mixed.page.title() == "Image pipeline"


def test_only_what_can_change_is_offered_again(mixed: Visit) -> None:
    for name in FAILED:
        expect(mixed.card(name).get_by_role("button", name="Try")).to_have_count(0)
    expect(mixed.page.get_by_role("button", name="Try failed ones again")).to_be_hidden()


def test_the_browser_complains_of_nothing(mixed: Visit) -> None:
    assert mixed.complaints == []
    # The text and the cut one are the only answers that the door refuses by a status for good.
    assert set(mixed.refused) <= {400, 415, 422, *BUSY}


def test_nothing_is_asked_for_but_of_the_gateway(mixed: Visit, stack: Stack) -> None:
    origin = urlsplit(stack.url).netloc
    urls = [urlsplit(each.url) for each in mixed.requests]

    assert {url.netloc for url in urls if url.scheme != "blob"} == {origin}
    assert {url.scheme for url in urls} <= {"http", "blob"}
    assert all(url.path.startswith(stack.url) for url in urls if url.scheme == "blob")


def test_the_key_is_in_headers_alone(mixed: Visit, stack: Stack) -> None:
    with_key = [each for each in mixed.requests if "x-api-key" in each.headers]

    assert {urlsplit(each.url).path.rsplit("/", 1)[0] for each in with_key} == {
        "/api/v1",
        "/api/v1/jobs",
    }
    assert not any(stack.api_key in each.url for each in mixed.requests)
    assert stack.api_key not in mixed.page.content()
    assert mixed.page.evaluate("document.cookie + JSON.stringify(localStorage)") == "{}"


def test_what_can_be_told_at_once_is_not_sent(mixed: Visit) -> None:
    sent = len(mixed.asked("/api/v1/images"))

    # A busy machine may have one come again.
    assert sent >= len(ALL) - 1
    expect(mixed.card("large.bmp")).to_contain_text("20,000,001 bytes; the limit is 20,000,000")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_by_day_and_by_night(mixed: Visit, scheme: str) -> None:
    # With motion the colours would be on their way.
    mixed.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]

    found = Axe().run(mixed.page)

    assert found.violations_count == 0, found.generate_report()
    ground = mixed.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(","))) / 3
    assert (brightness < 60) == (scheme == "dark")


def test_it_fits_a_phone(mixed: Visit) -> None:
    before = mixed.page.viewport_size
    assert before is not None
    try:
        mixed.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        expect(mixed.card(LONG)).to_be_visible()

        assert not mixed.is_wider_than_its_window()
    finally:
        mixed.page.set_viewport_size(before)


def test_whoever_wants_no_motion_sees_none(browser: Browser, mixed: Visit) -> None:
    running = "document.getAnimations({subtree: true}).length"
    mixed.page.emulate_media(reduced_motion="reduce")

    style = "getComputedStyle(document.querySelector('.bar-of-label')).animationName"
    assert mixed.page.evaluate(style) == "none"
    assert mixed.page.evaluate(running) == 0


def test_a_keyboard_is_enough(browser: Browser, stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "by keyboard.jpg"
    path.write_bytes(pictures.fresh("page keyboard"))
    with visit(browser, stack.url) as visited:
        keys, page = visited.page.keyboard, visited.page
        keys.press("Tab")
        expect(page.get_by_label("Your API key")).to_be_focused()
        keys.type(stack.api_key)
        keys.press("Enter")
        expect(page.get_by_role("button", name="Choose pictures")).to_be_focused()
        with page.expect_file_chooser() as dialog:
            keys.press("Enter")
        dialog.value.set_files(path)
        visited.ended(1)
        remove = page.get_by_role("button", name="Remove by keyboard.jpg")
        for _ in range(4):  # a folder, clear, remove
            if not remove.evaluate("it => it === document.activeElement"):
                keys.press("Tab")
        expect(remove).to_be_focused()
        keys.press("Enter")

        expect(page.locator(".card")).to_have_count(0)
        expect(page.get_by_role("button", name="Choose pictures")).to_be_focused()
        keys.press("Shift+Tab")
        keys.press("Enter")
        expect(page.get_by_label("Your API key")).to_be_focused()
        assert visited.complaints == []


def test_a_wrong_key_is_told_and_kept_nowhere(browser: Browser, stack: Stack) -> None:
    with visit(browser, stack.url, viewport=PHONE) as visited:
        page = visited.page
        assert not visited.is_wider_than_its_window()
        for wrong, said in (("wrong", "not known here"), ("schlüssel 1", "without spaces")):
            page.get_by_label("Your API key").fill(wrong)
            page.get_by_role("button", name="Sign in").click()

            expect(page.get_by_role("alert").first).to_contain_text(said)
            expect(page.get_by_label("Your API key")).to_be_focused()
        assert Axe().run(page).violations_count == 0
        assert page.evaluate("sessionStorage.length") == 0
        assert page.url == f"{stack.url}/"
        assert visited.refused == [401]


def test_a_tab_stays_signed_in_until_it_signs_out(browser: Browser, stack: Stack) -> None:
    with visit(browser, stack.url) as visited:
        page = visited.page
        visited.sign_in(stack.api_key)

        page.reload()
        expect(page.get_by_role("button", name="Choose pictures")).to_be_visible()
        expect(page.locator("#tenant")).to_have_text("default")
        page.get_by_role("button", name="Sign out").click()

        expect(page.get_by_label("Your API key")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0
        page.reload()
        expect(page.get_by_label("Your API key")).to_be_visible()
