"""README and the pages beside it say what the code does, and lead where they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from local.services.ports import BEHIND_PROXIES, Ports, listen_variable
from pipeline.settings import Settings
from tests import pages
from tests.stack import ROOT

README = pages.README.read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
# A new user reads all of it.
LONGEST_README = 200
# What is written for people, also by programs; docs/decisions, too.
WRITTEN = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")})
FIGURE = re.compile(r"\b\d(?:[\d.,]*\d)?\b")
REQUIREMENTS = [
    *sorted((ROOT / "functions").glob("*/requirements.txt")),
    *(ROOT / room / "requirements.txt" for room in ("consumers", "gateway", "local", "models")),
]


def _rows(columns: int) -> dict[str, list[str]]:
    """Rows of the tables whose first cell is a variable, by that variable."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in SETTINGS.splitlines()
        if re.match(r"\| `[A-Z_]+` \|", line)
    ]
    return {row[0].strip("`"): row for row in rows if len(row) == columns}


def test_the_settings_table_is_what_the_code_reads() -> None:
    expected = {
        spec.name.upper(): [str(spec.default), spec.metadata["unit"], spec.metadata["meaning"]]
        for spec in fields(Settings)
    }

    assert {name: row[1:] for name, row in _rows(4).items()} == expected


def test_the_ports_table_is_what_the_local_stack_reads() -> None:
    expected = {f"{spec.name.upper()}_PORT": str(spec.default) for spec in fields(Ports)}

    found = {name: row[1] for name, row in _rows(3).items() if name.endswith("_PORT")}
    assert found == expected


@pytest.mark.parametrize("service", BEHIND_PROXIES)
def test_every_port_to_listen_on_is_named(service: str) -> None:
    assert f"`{listen_variable(service)}`" in SETTINGS


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _links_to_nowhere(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            yield link


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", WRITTEN, ids=_name)
def test_everything_that_is_linked_is_there(page: Path) -> None:
    assert list(_links_to_nowhere(page)) == []


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("## The tree\n[1](page.md#the-tree) [2](#tree) [3](gone.md) [4](http://x)")

    assert list(_links_to_nowhere(page)) == ["#tree", "gone.md"]


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= LONGEST_README


def test_readme_leads_to_every_page_of_use() -> None:
    missing = [page for page in pages.PAGES[1:] if f"]({_name(page)})" not in README]

    assert missing == []


def test_every_command_is_in_a_block_that_is_typed() -> None:
    typed = {pages.LOCAL, pages.CONTAINERS}
    found = {page: {language for language, _ in pages.blocks(page)} for page in WRITTEN}

    assert set().union(*(found[page] for page in pages.PAGES)) == {*typed, "json", "yaml"}
    assert [page for page in WRITTEN if page not in pages.PAGES and found[page] & typed] == []


def test_every_figure_of_readme_is_where_it_says() -> None:
    rows = re.findall(r"^\| \[([PR]\d+)\]\((.+?)\)(.+)$", README, re.MULTILINE)
    wrong = {}
    for goal, page, row in rows:
        text = (ROOT / page).read_text(encoding="utf-8").partition(f"\n## {goal}:")[2]
        there = set(FIGURE.findall(text.partition("\n## ")[0]))
        wrong[goal] = [figure for figure in FIGURE.findall(row) if figure not in there]

    assert wrong == {"R0": [], "P15": [], "P14": []}


def test_every_folder_of_the_tree_is_described() -> None:
    tree = README.partition("## The tree")[2].partition("##")[0]
    described = set(re.findall(r"^    (\w+)/", tree, re.MULTILINE))
    there = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith(".") and path.name not in {"build"}
    }

    assert described == {name for name in there if not name.startswith("__")}


@pytest.mark.parametrize("file", REQUIREMENTS, ids=lambda file: file.parent.name)
def test_an_image_installs_the_versions_that_are_tested(file: Path) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    locked = set(re.findall(r"^(\S+==\S+) ", lock, re.MULTILINE))

    assert set(file.read_text().split()) <= locked


def test_lock_files_hold_names_and_hashes_and_no_addresses() -> None:
    lock = (ROOT / "requirements.lock").read_text()

    assert "://" not in lock
    assert lock.count("--hash=sha256:") > lock.count("==")


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda it: it.stem
)
def test_a_decision_says_whether_it_is_in_force(page: Path) -> None:
    title, empty, status = page.read_text(encoding="utf-8").splitlines()[:3]

    assert title.startswith("# ")
    assert not empty
    assert re.match(r"Status: (in force|replaced by \[)", status)
