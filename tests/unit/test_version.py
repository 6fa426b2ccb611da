"""Everything that tells a version tells the same one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pipeline.version import VERSION
from tests.stack import ROOT

DOCKERFILES = ("gateway/Dockerfile", "consumers/Dockerfile", "local/Dockerfile")
_LABEL = re.compile(r'^LABEL org\.opencontainers\.image\.version="(.*)"$', re.MULTILINE)


def _text(name: str) -> str:
    return Path(ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_labelled_with_it(name: str) -> None:
    assert _LABEL.findall(_text(name)) == [VERSION]


def test_the_images_of_functions_are_labelled_with_it() -> None:
    assert re.findall(r'build_args: \{VERSION: "(.*)"\}', _text("stack.yml")) == [VERSION] * 3
    label = "ARG VERSION=unknown\nLABEL org.opencontainers.image.version=$VERSION\n"
    assert label in _text("template/python3-pipeline/Dockerfile")


def test_the_chart_has_it() -> None:
    chart = yaml.safe_load(_text("deploy/chart/Chart.yaml"))

    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


def test_the_changelog_tells_what_is_in_it() -> None:
    released = re.findall(r"^## \[(\d.*)\] - \d{4}-\d\d-\d\d$", _text("CHANGELOG.md"), re.M)

    assert released[0] == VERSION
    assert "\n## [Unreleased]\n" in _text("CHANGELOG.md")
