"""OpenFaaS in a cluster: installed, and spoken to by the real faas-cli."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from tests.faas_cli import FaasCli, logged_in
from tests.kubernetes import node
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.cluster_images import name_of
from tests.stack import ROOT

NAMESPACE, FUNCTIONS = "openfaas", "openfaas-fn"
# From this machine, and from pods.
URL = f"http://{node.ADDRESS}:31112"
METRICS_URL = f"http://{node.ADDRESS}:31182"
INNER_URL = f"http://gateway.{NAMESPACE}.svc:8080"
INNER_METRICS_URL = f"http://gateway.{NAMESPACE}.svc:8082"
LOGIN = "basic-auth"
USER = "admin"


@dataclass(frozen=True)
class OpenFaaS:
    """OpenFaaS as it was installed.

    Attributes:
        home: where faas-cli keeps that it is logged in.
    """

    home: Path
    password: str

    def cli(self) -> FaasCli:
        """The real faas-cli, logged in."""
        return logged_in(ROOT, self.home, URL, (USER, self.password))


def install(cluster: Cluster, home: Path) -> OpenFaaS:
    """Install it, and wait until it answers."""
    home.mkdir()
    installed = OpenFaaS(home, secrets.token_urlsafe(24))
    images = {
        "GATEWAY": name_of("openfaas-gateway"),
        "FAAS_NETES": name_of("faas-netes"),
        "PROMETHEUS": name_of("prometheus"),
    }
    cluster.apply("openfaas-namespaces", {})
    login_secret(cluster, NAMESPACE, installed.password)
    cluster.apply("openfaas", images)
    cluster.rolled_out(NAMESPACE, "deployment/prometheus", "deployment/gateway")
    return installed


def login_secret(cluster: Cluster, namespace: str, password: str) -> None:
    """Tell a namespace the login of OpenFaaS' API."""
    literals = {"basic-auth-user": USER, "basic-auth-password": password}
    words = [f"--from-literal={name}={value}" for name, value in literals.items()]
    cluster.kubectl("-n", namespace, "create", "secret", "generic", LOGIN, *words)
