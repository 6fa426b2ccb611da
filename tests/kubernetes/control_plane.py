"""etcd, API server, controller manager and scheduler: who they are and how they are told so."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.kubernetes import certificates, node, programs
from tests.kubernetes.certificates import Authority
from tests.kubernetes.node import Node
from tests.stack import until

SERVER = f"https://{node.ADDRESS}:6443"
ADMINISTRATOR = "admin"
# The first address of services is the API server's own.
_OF_SERVICE = "10.96.0.1"
_ETCD = "http://127.0.0.1:2379"
_READY_SECONDS = 120.0
_ISSUER = "https://kubernetes.default.svc.cluster.local"
_SERVER_NAMES = (
    node.ADDRESS, "127.0.0.1", _OF_SERVICE, "localhost", "kubernetes", "kubernetes.default",
    "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
)  # fmt: skip
# By file: who it is to the API server.
_USERS = {
    ADMINISTRATOR: ("admin", ("system:masters",)),
    "controller-manager": ("system:kube-controller-manager", ()),
    "scheduler": ("system:kube-scheduler", ()),
    "kubelet": (f"system:node:{node.NAME}", ("system:nodes",)),
    "proxy": ("system:kube-proxy", ()),
    # It watches pods, namespaces and policies, and is asked for nothing.
    "network-policies": ("network-policies", ("system:masters",)),
}


def prepare(folder: Path) -> None:
    """Make every certificate and kubeconfig of a cluster in a folder."""
    folder.mkdir()
    authority = Authority.made(folder, "ca")
    # Whoever passes a request on for somebody else, as the API server to one that extends it.
    in_front = Authority.made(folder, "front-ca")
    in_front.issue("front", "front-proxy-client")
    certificates.signing_pair(folder, "accounts")
    authority.issue("server", "kube-apiserver", names=_SERVER_NAMES)
    for file, (user, groups) in _USERS.items():
        names = (node.ADDRESS, node.NAME) if file == "kubelet" else ()
        authority.issue(file, user, groups, names)
        certificates.kubeconfig(folder, file, SERVER, authority.certificate)


def start(machine: Node, pki: Path) -> None:
    """Start all four, and wait for the API server.

    Raises:
        AssertionError: it is not ready in time; the text has what the parts said last.
    """
    # What is lost when the machine fails is of no use afterwards.
    machine.start(
        "etcd", programs.ETCD.binary(), "--data-dir", machine.folder / "etcd",
        "--listen-client-urls", _ETCD, "--advertise-client-urls", _ETCD,
        "--listen-peer-urls", "http://127.0.0.1:2380", "--unsafe-no-fsync",
        "--log-level", "warn",
    )  # fmt: skip
    built = programs.KUBERNETES.folder()
    machine.start("apiserver", built / "kube-apiserver", *_of_server(pki))
    until(lambda: is_ready(pki, machine), _READY_SECONDS)
    for name in ("controller-manager", "scheduler"):
        config = f"{pki}/{name}.kubeconfig"
        machine.start(
            name, built / f"kube-{name}", f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}",
            "--leader-elect=false", "--bind-address=127.0.0.1",
            *(_of_manager(pki) if name == "controller-manager" else ()),
        )  # fmt: skip


def is_ready(pki: Path, machine: Node) -> bool:
    """Tell whether the API server takes requests; fail when a part has ended."""
    assert machine.is_running("etcd"), machine.last_words()
    assert machine.is_running("apiserver"), machine.last_words()
    command = (programs.kubectl(), "--kubeconfig", pki / f"{ADMINISTRATOR}.kubeconfig")
    asked = subprocess.run([*command, "get", "--raw", "/readyz"], capture_output=True)
    return asked.returncode == 0


def _of_server(pki: Path) -> list[str]:
    settings = {
        "etcd-servers": _ETCD,
        "advertise-address": node.ADDRESS,
        "bind-address": node.ADDRESS,
        "secure-port": "6443",
        "service-cluster-ip-range": node.SERVICES,
        "tls-cert-file": f"{pki}/server.crt",
        "tls-private-key-file": f"{pki}/server.key",
        "cert-dir": str(pki),
        "client-ca-file": f"{pki}/ca.crt",
        "service-account-key-file": f"{pki}/accounts.pub",
        "service-account-signing-key-file": f"{pki}/accounts.key",
        "service-account-issuer": _ISSUER,
        "kubelet-client-certificate": f"{pki}/{ADMINISTRATOR}.crt",
        "kubelet-client-key": f"{pki}/{ADMINISTRATOR}.key",
        "kubelet-preferred-address-types": "InternalIP",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "requestheader-client-ca-file": f"{pki}/front-ca.crt",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": f"{pki}/front.crt",
        "proxy-client-key-file": f"{pki}/front.key",
    }
    return [f"--{name}={value}" for name, value in settings.items()]


def _of_manager(pki: Path) -> tuple[str, ...]:
    return (
        f"--service-account-private-key-file={pki}/accounts.key",
        f"--root-ca-file={pki}/ca.crt",
        "--use-service-account-credentials=true",
        f"--cert-dir={pki}",
    )
