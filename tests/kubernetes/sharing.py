"""The folder that pods of a release share with tests: where it is mounted, and in which."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.names import FUNCTIONS
from tests.kubernetes import openfaas, release

if TYPE_CHECKING:
    from tests.kubernetes.api import Api
    from tests.kubernetes.cluster import Cluster

# Where the consumer and the functions have it.
MOUNTED = "/tests"
_VOLUME = _CLAIM = "tests"


def claim(cluster: Cluster, folder: Path) -> None:
    """Make the folder, for whoever pods run as, and what pods name it by in both namespaces."""
    folder.mkdir()
    folder.chmod(0o777)
    for namespace in (release.NAMESPACE, openfaas.FUNCTIONS):
        cluster.apply("shared", {"NAMESPACE": namespace, "PATH": str(folder)})


def share(api: Api, name: str) -> None:
    """Have a part's or a function's pods see the folder; they are rolled for it, once."""
    namespace, deployment = openfaas.FUNCTIONS, name
    if name not in FUNCTIONS:
        namespace, deployment = release.NAMESPACE, f"{release.NAME}-{name}"
    mount = {"name": _VOLUME, "mountPath": MOUNTED}
    spec = {
        "volumes": [{"name": _VOLUME, "persistentVolumeClaim": {"claimName": _CLAIM}}],
        "containers": [{"name": name, "volumeMounts": [mount]}],
    }
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}"
    api.merge(path, {"spec": {"template": {"spec": spec}}})
