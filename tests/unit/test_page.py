"""The page's files: what gets to where Nginx reads, and that every reason has its words."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from gateway import page
from tests.stack import ROOT
from tests.unit.test_problem_codes import CODES, REASONS

WEB = ROOT / "gateway" / "web"
WORDS = (WEB / "page" / "words.js").read_text(encoding="utf-8")
SCRIPTS = sorted((WEB / "page").glob("*.js"))
# A browser that sends a file to the one path for it is never told these.
NEVER_OF_A_PAGE = {
    "bad-request", "bad-target", "callback-not-allowed", "bad-query", "bad-batch", "unauthorized",
    "references-refused", "not-found", "function-not-found", "image-not-found", "model-not-found",
    "method-not-allowed", "length-required", "precondition-failed", "batch-too-large",
    "target-too-long", "unsupported-encoding", "unsupported-transfer-encoding",
    "range-not-satisfiable", "expectation-failed", "misdirected-request", "not-implemented",
    "http-version-not-supported", "bad-idempotency-key", "idempotency-key-in-use",
    "idempotency-key-reused", "job-finished", "job-not-failed", "https-required",
    "too-many-wrong-keys",
}  # fmt: skip
WAITED_FOR = {429, 503}


def put(target: Path) -> dict[str, Path]:
    page.put(target, lambda _, text: text.replace("${MAX_IMAGE_BYTES}", "5"))
    return {str(path.relative_to(target)): path for path in target.rglob("*") if path.is_file()}


def test_every_file_gets_there_for_everybody_and_dated_by_its_content(tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        put_once = put(tmp_path / "web")
        dates = {name: path.stat().st_mtime for name, path in put_once.items()}
        put_once["index.html"].write_text("another")
        put_again = put(tmp_path / "web")
    finally:
        os.umask(umask)

    assert put_once.keys() == {str(path.relative_to(WEB)) for path in WEB.rglob("*.*")}
    assert 'content="5"' in put_again["index.html"].read_text()
    assert {name: path.stat().st_mtime for name, path in put_again.items()} == dates
    assert len(set(dates.values())) == len(dates)
    assert {path.stat().st_mode & 0o777 for path in put_again.values()} == {0o644}
    assert (tmp_path / "web" / "page").stat().st_mode & 0o777 == 0o755


def test_what_an_older_page_had_is_removed(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "old.js").write_text("")

    assert "page/old.js" not in put(tmp_path)


def test_every_code_that_a_page_may_be_told_has_words() -> None:
    known = set(re.findall(r'^  "?([a-z-]+)"?: \{ says: "', WORDS, re.MULTILINE))
    at_the_door = {code for code, status in CODES if status not in WAITED_FOR}

    assert at_the_door - NEVER_OF_A_PAGE - known == set()
    assert REASONS - known == set()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_says_what_it_knows_and_makes_no_markup_of_text(script: Path) -> None:
    text = script.read_text(encoding="utf-8")

    assert text.startswith("// ")
    assert max(map(len, text.splitlines())) <= 100
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text)
    assert "://" not in text
