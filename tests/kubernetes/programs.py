"""What a cluster runs that is built from source: which programs, and which versions."""

from __future__ import annotations

from pathlib import Path

from tests.go_tools import GoTool

# Six large programs: 13 minutes of one core.
_KUBERNETES_SECONDS = 3600
_KUBERNETES = "k8s.io/kubernetes"
_OF_KUBERNETES = (
    "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
    "kubectl",
)  # fmt: skip

KUBERNETES = GoTool(
    "kubernetes",
    _KUBERNETES,
    pins="kubernetes",
    package=" ".join(f"{_KUBERNETES}/cmd/{name}" for name in _OF_KUBERNETES),
    version_variable="k8s.io/component-base/version.gitVersion",
    linked=(
        "k8s.io/component-base/version.gitMajor=1",
        "k8s.io/component-base/version.gitMinor=34",
    ),
    build_seconds=_KUBERNETES_SECONDS,
)
ETCD = GoTool("etcd", "go.etcd.io/etcd/server/v3", pins="etcd")
# A program of our own, with the plugins that a cluster needs.
COREDNS = GoTool("coredns", "github.com/coredns/coredns", pins="coredns", package=".")
# Enforces NetworkPolicies, with iptables and ipset; neither routes nor balances here.
_KUBE_ROUTER = "github.com/cloudnativelabs/kube-router/v2"
KUBE_ROUTER = GoTool(
    "kube-router", _KUBE_ROUTER, pins="kube-router", package=f"{_KUBE_ROUTER}/cmd/kube-router"
)
CLUSTER = (KUBERNETES, ETCD, COREDNS, KUBE_ROUTER)
# The last revisions under the MIT licence that the module proxy has; newer ones are never built.
GATEWAY = GoTool(
    "openfaas-gateway",
    "github.com/openfaas/faas/gateway",
    pins="openfaas-gateway",
    must_be_mit=True,
)
FAAS_NETES = GoTool(
    "faas-netes", "github.com/openfaas/faas-netes", pins="faas-netes", must_be_mit=True
)


def kubectl() -> Path:
    """The kubectl of this version."""
    return KUBERNETES.folder() / "kubectl"
