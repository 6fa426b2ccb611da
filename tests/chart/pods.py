"""The pods of rendered manifests, whatever makes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.helm import NAMESPACE, Manifest

COMPONENT = "app.kubernetes.io/component"


@dataclass(frozen=True)
class Pod:
    """One pod, or what a controller makes pods of.

    Attributes:
        kind: of what makes it.
    """

    kind: str
    name: str
    namespace: str
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def part(self) -> str:
        """Which part of the system it is."""
        return self.labels.get(COMPONENT, "")

    def containers(self) -> Iterator[dict[str, Any]]:
        """All of them, those that run before the others too."""
        yield from self.spec.get("initContainers", [])
        yield from self.spec["containers"]

    def ports(self) -> dict[str, int]:
        """Its ports by their names."""
        declared = (port for each in self.containers() for port in each.get("ports", []))
        return {port["name"]: port["containerPort"] for port in declared}


def of(manifests: Iterable[Manifest]) -> list[Pod]:
    """Find every pod."""
    return [_pod(each) for each in manifests if each["kind"] == "Pod" or _template(each)]


def _template(manifest: Manifest) -> Manifest | None:
    template: Manifest | None = manifest.get("spec", {}).get("template")
    return template


def _pod(manifest: Manifest) -> Pod:
    metadata = manifest["metadata"]
    template = _template(manifest) or manifest
    return Pod(
        manifest["kind"],
        metadata["name"],
        metadata.get("namespace", NAMESPACE),
        template["metadata"]["labels"],
        template["spec"],
    )


def selected(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Tell whether labels match a selector; the chart uses no other kind than matchLabels."""
    assert not selector.keys() - {"matchLabels"}, f"this test knows no {selector.keys()}"
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()
