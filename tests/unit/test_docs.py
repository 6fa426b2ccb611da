"""README says what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from local.services.settings import BEHIND_PROXIES, Ports, listen_variable
from pipeline.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REQUIREMENTS = [
    *sorted((ROOT / "functions").glob("*/requirements.txt")),
    *(ROOT / room / "requirements.txt" for room in ("consumers", "local", "models")),
]


def _rows(columns: int) -> dict[str, list[str]]:
    """Rows of the tables whose first cell is a variable, by that variable."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in README.splitlines()
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
    assert f"`{listen_variable(service)}`" in README


def test_every_file_that_is_linked_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)

    assert [
        link for link in links if not link.startswith("http") and not (ROOT / link).exists()
    ] == []


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
