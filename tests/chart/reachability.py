"""Who reaches whom by a set of NetworkPolicies, as Kubernetes defines them.

A policy that selects a pod refuses all but what some policy that selects it allows; a connection
needs to be allowed at both ends.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.chart.pods import selected
from tests.helm import Manifest

NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod, or an address beyond the cluster.

    Attributes:
        namespace: empty beyond the cluster.
    """

    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    address: str = "198.51.100.1"


class Network:
    """A cluster whose network enforces these policies."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self.policies = [each for each in manifests if each["kind"] == "NetworkPolicy"]

    def reaches(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        """Tell whether a connection comes about."""
        asked = port, protocol
        return self._is_allowed("Egress", source, target, asked) and self._is_allowed(
            "Ingress", target, source, asked
        )

    def selecting(self, end: End) -> list[Manifest]:
        """The policies that say something of a pod."""
        return [
            each
            for each in self.policies
            if each["metadata"]["namespace"] == end.namespace
            and selected(each["spec"]["podSelector"], end.labels)
        ]

    def _is_allowed(self, way: str, own: End, other: End, asked: tuple[int, str]) -> bool:
        policies = [each for each in self.selecting(own) if way in each["spec"]["policyTypes"]]
        word, peers = ("egress", "to") if way == "Egress" else ("ingress", "from")
        rules = [rule for each in policies for rule in each["spec"].get(word, [])]
        return not policies or any(
            _has_port(rule.get("ports"), asked) and _has_peer(rule.get(peers), own, other)
            for rule in rules
        )


def _has_port(ports: list[dict[str, Any]] | None, asked: tuple[int, str]) -> bool:
    if not ports:
        return True
    assert all(isinstance(each["port"], int) for each in ports), "this test knows no named ports"
    return asked in [(each["port"], each.get("protocol", "TCP")) for each in ports]


def _has_peer(peers: list[dict[str, Any]] | None, own: End, other: End) -> bool:
    return not peers or any(_is_peer(each, own, other) for each in peers)


def _is_peer(peer: dict[str, Any], own: End, other: End) -> bool:
    if block := peer.get("ipBlock"):
        inside = ipaddress.ip_address(other.address) in ipaddress.ip_network(block["cidr"])
        return not other.namespace and inside
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        if not selected(peer["namespaceSelector"], {NAME_LABEL: other.namespace}):
            return False
    elif other.namespace != own.namespace:
        return False
    return selected(peer.get("podSelector", {}), other.labels)
