"""Helm, built once from its pinned module into the cache, and what it makes of deploy/chart."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.go_tools import GoTool
from tests.stack import ROOT

HELM = GoTool(
    "helm",
    "helm.sh/helm/v3",
    pins="helm",
    package="helm.sh/helm/v3/cmd/helm",
    version_variable="helm.sh/helm/v3/internal/version.version",
)
CHART = ROOT / "deploy" / "chart"
KUBERNETES = "1.34.1"
# As docs/kubernetes.md has them.
RELEASE, NAMESPACE = "image-pipeline", "image-pipeline"
VALUE_FILES = tuple(sorted(path.stem for path in (CHART / "ci").glob("*.yaml")))
_SECONDS = 120

Manifest = dict[str, Any]


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Helm, which reads and writes nothing of whoever runs the tests."""
    with tempfile.TemporaryDirectory() as home:
        places = {f"HELM_{kind}_HOME": home for kind in ("CACHE", "CONFIG", "DATA")}
        return subprocess.run(
            [HELM.binary(), *arguments],
            env={**os.environ, **places, "KUBECONFIG": f"{home}/none"},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )


def template(*options: str | Path) -> subprocess.CompletedProcess[str]:
    """Have Helm write the manifests for some values, in whatever way it ends."""
    place = ("--namespace", NAMESPACE, "--kube-version", KUBERNETES)
    return helm("template", RELEASE, CHART, *place, *options)


@functools.cache
def rendered(name: str, *options: str) -> tuple[Manifest, ...]:
    """The manifests for a file of deploy/chart/ci, and more values."""
    done = template("--values", CHART / "ci" / f"{name}.yaml", *options)
    assert done.returncode == 0, done.stderr
    return tuple(each for each in yaml.safe_load_all(done.stdout) if each)
