"""The page on bad days: no gateway, no room, another key, jobs that do not end, files that go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests import pictures
from tests.browser import Visit, running_browser, visit
from tests.page_world import World, page_world
from tests.stack import until

AT_ONCE = 5
MANY = 60


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as started:
        yield started


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with page_world(tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture
def tab(browser: Browser, world: World) -> Iterator[Visit]:
    """A tab of somebody who has signed in."""
    with visit(browser, world.url) as visited:
        visited.sign_in(world.gateway.key)
        yield visited


def made(folder: Path, *names: str) -> list[Path]:
    """Write pictures of these names, each another one."""
    for name in names:
        (folder / name).write_bytes(pictures.fresh(f"trouble {folder} {name}"))
    return [folder / name for name in names]


def test_what_was_chosen_without_a_gateway_goes_on_when_it_is_back(
    tab: Visit, world: World, tmp_path: Path
) -> None:
    world.gateway.stop()
    try:
        tab.choose(*made(tmp_path, "a.jpg", "b.jpg"))
        expect(tab.page.get_by_role("alert")).to_contain_text("does not answer")
        expect(tab.card("a.jpg")).to_have_attribute("data-state", "waiting")
    finally:
        world.gateway.start()

    tab.ended(2)
    expect(tab.page.locator(".card[data-state=completed]")).to_have_count(2)
    expect(tab.page.get_by_role("alert")).to_have_count(0)


def test_a_gateway_that_goes_while_jobs_are_asked_for_costs_none(
    tab: Visit, world: World, tmp_path: Path
) -> None:
    with world.sign("pending"):
        tab.choose(*made(tmp_path, "a.jpg"))
        expect(tab.card("a.jpg")).to_have_attribute("data-state", "pending")
        world.gateway.stop()
        expect(tab.page.get_by_role("alert")).to_contain_text("does not answer")
        world.gateway.start()

    expect(tab.card("a.jpg")).to_have_attribute("data-state", "completed")


def test_a_busy_system_is_waited_for(tab: Visit, world: World, tmp_path: Path) -> None:
    with world.sign("busy"):
        tab.choose(*made(tmp_path, *(f"{number}.jpg" for number in range(6))))
        expect(tab.page.get_by_role("alert")).to_contain_text("is busy")
        expect(tab.page.locator(".card[data-state=waiting]")).to_have_count(6)

    tab.ended(6)
    expect(tab.page.locator(".card[data-state=completed]")).to_have_count(6)
    assert set(tab.refused) == {503}


def test_a_key_that_is_known_no_more_is_asked_for_and_nothing_is_lost(
    tab: Visit, world: World, tmp_path: Path
) -> None:
    with world.sign("pending"):
        tab.choose(*made(tmp_path, "before.jpg"))
        expect(tab.card("before.jpg")).to_have_attribute("data-state", "pending")
        key = world.change_key()

        expect(tab.page.get_by_role("alert")).to_contain_text("not accepted any more")
        expect(tab.page.get_by_label("Your API key")).to_be_focused()
        assert tab.page.evaluate("sessionStorage.length") == 0
    tab.sign_in(key)

    expect(tab.card("before.jpg")).to_have_attribute("data-state", "completed")
    tab.choose(*made(tmp_path, "after.jpg"))
    tab.ended(2)


def test_signing_out_leaves_nothing_for_the_next_one(
    tab: Visit, world: World, tmp_path: Path
) -> None:
    with world.sign("pending"):
        tab.choose(*made(tmp_path, "mine.jpg"))
        expect(tab.card("mine.jpg")).to_have_attribute("data-state", "pending")
        tab.page.get_by_role("button", name="Sign out").click()
        tab.sign_in(world.gateway.key)

        expect(tab.page.locator(".card")).to_have_count(0)


def test_a_job_that_failed_is_tried_again(tab: Visit, world: World, tmp_path: Path) -> None:
    with world.sign("failing"):
        tab.choose(*made(tmp_path, "a.jpg", "b.jpg"))
        tab.ended(2)
        expect(tab.card("a.jpg")).to_contain_text("The model failed at it again and again.")
        expect(tab.card("a.jpg")).to_contain_text("it broke off 5 times")

    tab.page.get_by_role("button", name="Try a.jpg again").click()
    expect(tab.card("a.jpg")).to_have_attribute("data-state", "completed")
    tab.page.get_by_role("button", name="Try failed ones again").click()
    expect(tab.card("b.jpg")).to_have_attribute("data-state", "completed")
    # Of its own first attempt a picture is no duplicate.
    expect(tab.page.get_by_text("The same picture as")).to_have_count(0)


def test_a_file_that_has_gone_fails_alone(tab: Visit, world: World, tmp_path: Path) -> None:
    gone, stays = made(tmp_path, "gone.jpg", "stays.jpg")
    with world.sign("busy"):
        tab.choose(gone, stays)
        expect(tab.page.get_by_role("alert")).to_contain_text("is busy")
        gone.unlink()

    expect(tab.card("gone.jpg")).to_contain_text("has changed or gone since you chose it")
    expect(tab.card("stays.jpg")).to_have_attribute("data-state", "completed")


def test_many_files_are_sent_and_asked_for_a_few_at_once(
    tab: Visit, world: World, tmp_path: Path
) -> None:
    tab.at_once = 0

    tab.drop(*made(tmp_path, *(f"{number}.jpg" for number in range(MANY))))
    tab.ended(MANY)

    assert tab.at_once <= AT_ONCE


def test_jobs_that_do_not_end_are_asked_for_less_and_less(
    browser: Browser, world: World, tmp_path: Path
) -> None:
    with visit(browser, world.url) as tab, world.sign("pending"):
        tab.sign_in(world.gateway.key)
        tab.page.clock.install()
        tab.drop(*made(tmp_path, *(f"{number}.jpg" for number in range(MANY))))
        expect(tab.page.locator(".card[data-state=pending]")).to_have_count(MANY)
        # Far enough ahead that it is not over before the clock stands still.
        tab.page.clock.pause_at(tab.page.evaluate("Date.now() + 60_000"))
        pass_a_minute(tab)
        before = len(tab.asked("/api/v1/jobs"))

        pass_a_minute(tab)

        # Two at once, each four seconds after the answer to the one before.
        assert len(tab.asked("/api/v1/jobs")) - before <= 2 * 60 / 4 + 2


def pass_a_minute(tab: Visit) -> None:
    """Let the page's clock, which stands still else, go on."""
    for _ in range(120):
        tab.page.clock.run_for(500)


def test_a_system_that_is_always_too_slow_is_given_up_and_tried_again_by_hand(
    tab: Visit, world: World, tmp_path: Path
) -> None:
    tab.page.clock.install()
    with world.sign("slow"):
        tab.choose(*made(tmp_path, "a.jpg"))
        until(lambda: is_failed(tab))
        expect(tab.card("a.jpg")).to_contain_text("The system took too long.")
        expect(tab.card("a.jpg")).to_contain_text("a trace")
        assert tab.refused == [504] * 4

    tab.page.get_by_role("button", name="Try a.jpg again").click()
    expect(tab.card("a.jpg")).to_have_attribute("data-state", "completed")


def is_failed(tab: Visit) -> bool:
    """Let a second of the page's clock pass, and look."""
    tab.page.clock.run_for(1000)
    return tab.page.locator(".card[data-state=failed]").count() == 1


def test_how_much_of_a_file_has_gone_is_told(tab: Visit, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(pictures.fresh("large") + bytes(600_000))
    network = tab.page.context.new_cdp_session(tab.page)
    network.send("Network.enable")

    def upload_at_most(speed: int) -> None:
        told = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": speed}
        network.send("Network.emulateNetworkConditions", told)

    # So slow that it is still on its way when both were seen.
    upload_at_most(10_000)
    tab.choose(path)

    some = re.compile(r"[1-9]\d* kB of 60\d kB sent")
    expect(tab.card("large.jpg")).to_contain_text(some)
    expect(tab.page.get_by_role("progressbar", name="Sent of large.jpg")).to_be_visible()
    upload_at_most(-1)
    tab.ended(1)


def test_a_folder_is_chosen_and_a_picture_pasted(tab: Visit, tmp_path: Path) -> None:
    (tmp_path / "chosen" / "inside").mkdir(parents=True)
    made(tmp_path / "chosen", "a.jpg", ".hidden.jpg", "Thumbs.db")
    made(tmp_path / "chosen" / "inside", "b.jpg")

    with tab.page.expect_file_chooser() as dialog:
        tab.page.get_by_role("button", name="Choose a folder").click()
    dialog.value.set_files(tmp_path / "chosen")
    tab.ended(2)
    tab.page.evaluate(
        """() => {
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File(["pasted"], "pasted.png", {type: "image/png"}));
            const paste = new ClipboardEvent("paste", {clipboardData, bubbles: true});
            document.body.dispatchEvent(paste);
        }"""
    )

    tab.ended(3)
    expect(tab.card("pasted.png")).to_have_attribute("data-state", "completed")


def test_a_picture_that_is_removed_while_it_is_sent_is_gone(
    tab: Visit, world: World, tmp_path: Path
) -> None:
    with world.sign("busy"):
        tab.choose(*made(tmp_path, "a.jpg", "b.jpg"))
        expect(tab.page.get_by_role("alert")).to_contain_text("is busy")
        tab.page.get_by_role("button", name="Remove a.jpg").click()
        expect(tab.page.get_by_role("button", name="Remove b.jpg")).to_be_focused()

    tab.ended(1)
    expect(tab.card("b.jpg")).to_have_attribute("data-state", "completed")
