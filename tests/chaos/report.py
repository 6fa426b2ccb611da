"""What is printed and kept of the findings: a table, a JSON file, and docs/guarantees.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine
from tests.chaos.findings import Finding, Size
from tests.stack import ROOT

RESULTS = ROOT / "docs" / "guarantees.json"


def table(findings: Sequence[Finding]) -> str:
    """Render findings for a terminal."""
    rows = [("goal", "what", "measured", "allowed", "")]
    rows += [
        (each.goal, each.what, each.measured, each.allowed, "ok" if each.held else "NOT HELD")
        for each in findings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n" + "\n".join(line.rstrip() for line in lines)


def record(
    path: Path, goal: str, summary: str, findings: Sequence[Finding], size: Size, seconds: float
) -> None:
    """Put a goal's findings into the results file, in place of its older ones."""
    kept = _read(path)
    kept[goal] = {
        "summary": summary,
        "size": size.value,
        "seconds": round(seconds),
        "date": datetime.now(UTC).date().isoformat(),
        "commit": machine.describe()["commit"],
        "findings": [asdict(each) for each in findings],
    }
    ordered = dict(sorted(kept.items(), key=lambda item: int(item[0][1:])))
    path.write_text(json.dumps(ordered, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write(path: Path) -> None:
    """Write the page of the guarantees beside the results."""


def _read(path: Path) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return kept
