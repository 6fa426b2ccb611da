"""Where OpenFaaS has a function's secrets, and which code reads them nowhere else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

USUAL_FOLDER = Path("/var/openfaas/secrets")
MAX_BYTES = 1024 * 1024  # of a file that is looked into; no source is larger
MAX_FILES = 2000
CODE = re.compile(
    r".*\.(py|js|mjs|cjs|ts|sh|bash|rb|php|pl|go|java|cs|lua|r|json|ya?ml|toml|ini|conf|env)"
    r"|Dockerfile|[^.]+"
)


def who_needs_it(folder: Path) -> str:
    """Name a file of a function's code that reads secrets there alone; empty for none."""
    return next(_who_need_it(folder), "")


def _who_need_it(folder: Path) -> Iterator[str]:
    files = (path for path in sorted(folder.rglob("*")) if CODE.fullmatch(path.name))
    for path in islice((path for path in files if path.is_file()), MAX_FILES):
        with path.open("rb") as file:
            text = file.read(MAX_BYTES)
        if os.fsencode(USUAL_FOLDER) in text and b"secrets_dir" not in text.lower():
            yield str(path.relative_to(folder))
