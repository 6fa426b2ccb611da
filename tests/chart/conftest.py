"""Helm, or why there is none."""

from __future__ import annotations

import pytest

from tests.helm import HELM


@pytest.fixture(scope="session", autouse=True)
def _helm() -> None:
    """Build Helm, if an earlier run did not; without it and a network there is nothing to try."""
    if HELM.is_built():
        return
    try:
        HELM.binary()
    except Exception as error:
        pytest.skip(f"Helm is not in the cache, and cannot be built here: {error}")
