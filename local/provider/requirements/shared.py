"""The packages that all functions share: what of a function's lines they satisfy already."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Iterable
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.provider.requirements.lines import Line


def missing(lines: Iterable[Line]) -> list[Line]:
    """The lines that the shared packages do not satisfy."""
    return [line for line in lines if not _is_satisfied(line.requirement, set())]


def digest(lines: Iterable[Line]) -> str:
    """Names the layer of these lines: for this Python, machine, and shared packages."""
    wanted = sorted({f"{line.text} {sorted(line.hashes)}" for line in lines})
    parts = [platform(), *_installed(), *wanted]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def platform() -> str:
    """What a layer is for: wheels may hold compiled code."""
    return f"{sys.implementation.cache_tag} {sysconfig.get_platform()}"


def _installed() -> list[str]:
    """What a layer lies over: it holds only what this lacks."""
    found = ((each.metadata["Name"] or "", each.version) for each in metadata.distributions())
    return sorted({f"{canonicalize_name(name)}=={version}" for name, version in found})


def _is_satisfied(requirement: Requirement, seen: set[str]) -> bool:
    """Whether it is installed, with what its extras need; all else it needs came along with it."""
    if str(requirement) in seen:
        return True
    seen.add(str(requirement))
    try:
        found = metadata.distribution(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    if not requirement.specifier.contains(found.version, prereleases=True):
        return False
    needed = [Requirement(text) for text in found.requires or []]
    return all(
        _is_satisfied(each, seen)
        for extra in requirement.extras
        for each in needed
        if _is_of(each, extra)
    )


def _is_of(requirement: Requirement, extra: str) -> bool:
    """Whether it is needed for this extra alone."""
    marker = requirement.marker
    return (
        marker is not None
        and marker.evaluate({"extra": extra})
        and not marker.evaluate({"extra": ""})
    )
