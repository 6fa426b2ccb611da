"""results.json: what was measured last of every goal, each with its commit, date and command."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.scenario import Outcome

Record = Mapping[str, Any]
_QUICK = ", quick"


def make(
    module: ModuleType, outcome: Outcome, command: str, seconds: float, about: Mapping[str, str]
) -> dict[str, Any]:
    """Put together what is kept of one scenario's run."""
    promise, _, how = inspect.cleandoc(module.__doc__ or "").partition("\n")
    return {
        "promise": promise,
        "how": how.strip(),
        "command": command,
        "seconds": round(seconds),
        **about,
        **asdict(outcome),
    }


def merge(path: Path, goal: str, record: Record, *, full: bool) -> None:
    """Put a goal's record in place of its older one; a quick run leaves that of a full one."""
    kept = read(path)
    kept[goal if full else goal + _QUICK] = dict(record)
    ordered = dict(sorted(kept.items(), key=lambda item: _order(item[0])))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(ordered, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """Read all records; none when there is no file."""
    if not path.exists():
        return {}
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return kept


def last(path: Path, goal: str) -> dict[str, Any]:
    """Give the details of a goal as they were kept last; nothing when there are none."""
    kept = shown(read(path))
    record = kept.get(goal) or kept.get(goal + _QUICK) or {}
    details: dict[str, Any] = record.get("details", {})
    return details


def shown(kept: Mapping[str, Record]) -> dict[str, Record]:
    """Choose what a page shows of each goal: its full run, else its quick one."""
    full = {name: record for name, record in kept.items() if not name.endswith(_QUICK)}
    quick = {name: record for name, record in kept.items() if name.endswith(_QUICK)}
    left = {name: record for name, record in quick.items() if name.removesuffix(_QUICK) not in full}
    return dict(sorted({**full, **left}.items(), key=lambda item: _order(item[0])))


def _order(name: str) -> tuple[int, str]:
    """Goals by their numbers."""
    goal, _, special = name.partition(",")
    return int(goal[1:]), special
