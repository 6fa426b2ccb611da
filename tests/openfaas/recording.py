"""What OpenFaaS' own gateway answered, as `make test` compares our provider with it.

`python -m tests.openfaas` makes it of the answers of a running gateway; nobody writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.openfaas.facts import Facts

RECORDING = Path(__file__).with_name("recording.json")
FAILED = "failed"

Seen = dict[str, Facts]


def recorded() -> Seen:
    found: Seen = json.loads(RECORDING.read_text(encoding="utf-8"))["cases"]
    return found


def record(seen: Mapping[str, Facts], versions: Mapping[str, str]) -> None:
    document = {"of": dict(versions), "cases": {name: seen[name] for name in sorted(seen)}}
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
    RECORDING.write_text(f"{text}\n", encoding="utf-8")
