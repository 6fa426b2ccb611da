"""The files of Swagger UI and ReDoc, as a locked package carries them; none of it is imported."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

_PACKAGE = "fastapi_offline"
_FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js")
# ReDoc shows a picture of its makers' from elsewhere, which the pages' policy refuses loudly.
_FOREIGN = '"https://cdn.redoc.ly/redoc/logo-mini.svg"'
_OURS = '"/page/icon.svg"'


def files() -> dict[str, str]:
    """Give each file's text by its name.

    Raises:
        ValueError: the package is not installed, or is another than the one that is known.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ValueError(f"the package {_PACKAGE} is missing: requirements.lock pins it")
    folder = Path(spec.origin).parent / "static"
    found = {name: (folder / name).read_text(encoding="utf-8") for name in _FILES}
    if found["redoc.standalone.js"].count(_FOREIGN) != 1:
        raise ValueError(f"{_PACKAGE} has another ReDoc: what it asks for is not known")
    found["redoc.standalone.js"] = found["redoc.standalone.js"].replace(_FOREIGN, _OURS)
    return found
