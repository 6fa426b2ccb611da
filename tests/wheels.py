"""Wheels of packages that exist nowhere else, made by the test that installs them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path


def make_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, bytes] | None = None
) -> Path:
    """Write a pure Python wheel whose module of the same name tells its VERSION.

    Args:
        files: what else is in it, by its path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    information = f"{name}-{version}.dist-info"
    told = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    texts: dict[str, bytes] = {
        f"{name}.py": f"VERSION = {version!r}\n".encode(),
        f"{information}/METADATA": told.encode(),
        f"{information}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(files or {}),
    }
    record = "".join(f"{path},,\n" for path in [*texts, f"{information}/RECORD"])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in {**texts, f"{information}/RECORD": record.encode()}.items():
            archive.writestr(path, content)
    return wheel
