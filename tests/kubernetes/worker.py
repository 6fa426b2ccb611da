"""What runs pods on a node: containerd, kubelet, kube-proxy, and whoever enforces policies."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.kubernetes import control_groups, node, packages, programs
from tests.kubernetes.node import Node
from tests.stack import until

# Containers that Kubernetes runs are in this namespace of containerd's.
NAMESPACE = "k8s.io"
_READY_SECONDS = 120.0
_CLUSTER_DOMAIN = "cluster.local"
# Parts of containerd that need what a node here does not have.
_LEFT_OUT = (
    "io.containerd.internal.v1.opt",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.tracing.processor.v1.otlp",
)


def start(machine: Node, pki: Path, images: list[Path], pause: str) -> None:
    """Start all of them with these archives of images, the pods' own among them.

    Raises:
        AssertionError: containerd does not answer in time.
    """
    _start_containerd(machine, pause)
    for archive in images:
        import_images(machine, archive)
    _start_kubelet(machine, pki)
    proxy = _written(machine, "proxy.json", _of_proxy(pki))
    machine.start("proxy", programs.KUBERNETES.folder() / "kube-proxy", "--config", proxy)


def start_network_policies(machine: Node, pki: Path) -> None:
    """Have NetworkPolicies enforced; the node must be known to the API server."""
    machine.start(
        "network-policies", programs.KUBE_ROUTER.binary(),
        f"--kubeconfig={pki}/network-policies.kubeconfig", f"--hostname-override={node.NAME}",
        "--run-firewall=true", "--run-router=false", "--run-service-proxy=false",
        "--run-loadbalancer=false", "--enable-cni=false", "--enable-ipv6=false",
        f"--service-cluster-ip-range={node.SERVICES}",
    )  # fmt: skip


def socket(machine: Node) -> Path:
    """Where containerd answers."""
    return machine.folder / "containerd.sock"


def ctr(machine: Node, *words: str | Path) -> str:
    """Run containerd's own client; what it printed."""
    return machine.run("ctr", "-a", socket(machine), "-n", NAMESPACE, *words).stdout


def import_images(machine: Node, archive: Path) -> None:
    """Give the node the images of an archive."""
    ctr(machine, "images", "import", "--no-unpack", archive)


def _start_kubelet(machine: Node, pki: Path) -> None:
    config = _written(machine, "kubelet.json", _of_kubelet(machine, pki))
    machine.start(
        "kubelet", programs.KUBERNETES.folder() / "kubelet", "--config", config,
        "--kubeconfig", pki / "kubelet.kubeconfig", "--hostname-override", node.NAME,
        "--node-ip", node.ADDRESS, "--root-dir", machine.folder / "kubelet",
        "--cert-dir", pki,
    )  # fmt: skip


def _start_containerd(machine: Node, pause: str) -> None:
    (machine.folder / "cni").mkdir()
    config = machine.folder / "containerd.toml"
    config.write_text(_of_containerd(machine.folder, pause))
    _written(machine, "cni/10-tests.conflist", _of_network(machine.folder))
    machine.start("containerd", "containerd", "--config", config)

    def answers() -> bool:
        assert machine.is_running("containerd"), machine.last_words()
        command = machine.command("ctr", "-a", socket(machine), "version")
        return subprocess.run(command, capture_output=True).returncode == 0

    until(answers, _READY_SECONDS)


def _written(machine: Node, name: str, document: object) -> Path:
    path = machine.folder / name
    path.write_text(json.dumps(document))
    return path


def _of_containerd(folder: Path, pause: str) -> str:
    interface = "io.containerd.grpc.v1.cri"
    return f"""\
version = 2
root = "{folder}/containerd/root"
state = "{folder}/containerd/state"
disabled_plugins = {json.dumps(_LEFT_OUT)}
[grpc]
  address = "{folder}/containerd.sock"
[plugins."{interface}"]
  sandbox_image = "{pause}"
  disable_apparmor = true
  # Not every machine allows a process to be spared when memory is short.
  restrict_oom_score_adj = true
  [plugins."{interface}".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."{interface}".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."{interface}".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."{interface}".cni]
    bin_dir = "{packages.PLUGINS}"
    conf_dir = "{folder}/cni"
"""


def _of_network(folder: Path) -> dict[str, Any]:
    """Each pod has a wire of its own to the node: what passes between two is forwarded by it."""
    addresses = {
        "type": "host-local",
        "dataDir": f"{folder}/cni-addresses",
        "ranges": [[{"subnet": node.PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    wire = {"type": "ptp", "ipMasq": False, "ipam": addresses}
    return {"cniVersion": "0.4.0", "name": "tests", "plugins": [wire]}


def _of_kubelet(machine: Node, pki: Path) -> dict[str, Any]:
    # Pods ask CoreDNS alone; it asks nobody.
    nobody = machine.folder / "nobody.conf"
    nobody.write_text("")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
            "webhook": {"enabled": True},
            "anonymous": {"enabled": False},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{pki}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{socket(machine)}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{control_groups.NAME}",
        "failSwapOn": False,
        "failCgroupV1": False,
        "oomScoreAdj": 0,
        "clusterDomain": _CLUSTER_DOMAIN,
        "clusterDNS": [node.DNS],
        "resolvConf": str(nobody),
        "podLogsDir": str(machine.folder / "pods"),
        "volumePluginDir": str(machine.folder / "plugins"),
        # Nothing is fetched again that was thrown away here, and a full disk is this machine's.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "200Mi"},
        "enforceNodeAllocatable": ["pods"],
    }


def _of_proxy(pki: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": node.PODS,
        "hostnameOverride": node.NAME,
        "clientConnection": {"kubeconfig": f"{pki}/proxy.kubeconfig"},
        # This machine's limit is left as it is.
        "conntrack": {"maxPerCore": 0},
        "oomScoreAdj": 0,
    }
