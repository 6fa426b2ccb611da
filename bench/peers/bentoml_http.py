"""BentoML: an image in, labels out. `bentoml serve bench.peers.bentoml_http:Classifier`.

Without PEER_WORKERS everything is left at its default.
"""

# No `from __future__ import annotations`: BentoML reads the annotation itself, not its text.

import os
from pathlib import Path
from typing import Annotated, Any

import bentoml
from bentoml.validators import ContentType

from bench.peers.work import Work

_WORKERS = os.environ.get("PEER_WORKERS")
_QUIET = {"logging": {"access": {"enabled": False}}, "metrics": {"enabled": False}}
_GIVEN: dict[str, Any] = {"workers": int(_WORKERS), **_QUIET} if _WORKERS else {}


@bentoml.service(**_GIVEN)
class Classifier:
    """The raw body is the image; BentoML hands it over as a file."""

    def __init__(self) -> None:
        self._work = Work()

    @bentoml.api  # type: ignore[untyped-decorator]
    def classify(self, image: Annotated[Path, ContentType("image/jpeg")], /) -> dict[str, Any]:
        return {"labels": self._work.labels(image.read_bytes())}
