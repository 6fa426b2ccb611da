"""What is kept of the findings: a table, docs/guarantees.json, and docs/guarantees.md of it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.reporting import machine
from bench.reporting import report as bench_report
from tests.chaos.findings import Finding, Size
from tests.stack import ROOT

RESULTS = ROOT / "docs" / "guarantees.json"

_HEAD = """\
# Guarantees

What this system promises, how each promise is tested, and what was measured last. Written by
`make chaos-full`; everything below is in [{name}]({name}). One goal is refreshed by
`.venv/bin/python -m tests.chaos --full --only R1`; `make chaos`, which is part of `make test`, runs
the short form of those that are quick.

The client writes a ledger of every request and its answer, flushed to the disk before it goes on.
When the consumer has nothing left to do, a checker that is tested itself compares the ledger with
the buckets (every version of every result), with the topics, and with an oracle: the classifier's
own engine in another process. *Lost* is a 202 that is neither completed nor failed; *doubled* a
second visible result or failure, or one that was overwritten; *wrong* an answer that is not the
oracle's; *phantom* a result for bytes that were never sent. An upload that got no answer may be
completed.

"""

_LIMITS = """\
## Limits

- No violation in n images is no proof of none: with 95 % confidence it bounds the rate at 3/n
  (the rule of three), that is 0.03 % for 10,000 images and 0.003 % for 100,000.
- Processes are killed, disks fill up and links break. Power is not cut: one broker acknowledges
  from the page cache and one drive is one copy, so these runs say nothing of a power failure or a
  broken disk.
- One machine, one broker, one MinIO: nothing here is about the loss of a machine or a divided
  network of several.
- Pictures are small and made distinct by a comment in the file; the figures are about delivery,
  not about speed. Times depend on the machine, and on what else runs on it.
- Repeated inferences are counted by a line that the classifier writes before each
  (`INFERENCE_LOG`), one write to a file opened for appending: a kill of any process loses none
  that was begun.
"""


def table(findings: Sequence[Finding]) -> str:
    """Render findings for a terminal."""
    rows = [("goal", "what", "measured", "allowed", "")]
    rows += [(each.goal, each.what, each.measured, each.allowed, _word(each)) for each in findings]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n" + "\n".join(lines)


def record(
    path: Path,
    module: ModuleType,
    findings: Sequence[Finding],
    size: Size,
    seconds: float,
    images: int | None = None,
) -> None:
    """Put a goal's findings into the results file, in place of its older ones.

    A run with a number of images of its own has a place of its own. A module may say what its
    figures do not tell: `LIMITS`, a sentence or two.
    """
    kept = _read(path)
    promise, _, how = inspect.cleandoc(module.__doc__ or "").partition("\n")
    options = f" --images {images}" if images else ""
    options = (" --full" if size is Size.FULL else "") + f" --only {module.GOAL}{options}"
    kept[f"{module.GOAL}, {images:,} images" if images else module.GOAL] = {
        "promise": promise,
        "how": how.strip(),
        "limits": getattr(module, "LIMITS", ""),
        "command": f".venv/bin/python -m tests.chaos{options}",
        "seconds": round(seconds),
        "date": datetime.now(UTC).date().isoformat(),
        "commit": machine.describe()["commit"],
        "findings": [asdict(each) for each in findings],
    }
    ordered = dict(sorted(kept.items(), key=lambda item: _order(item[0])))
    text = json.dumps(ordered, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def write(path: Path) -> None:
    """Write the page of the guarantees beside the results that it is made of."""
    kept = _read(path)
    columns = ("", "promise", "held", "measured", "commit")
    rows = [(goal, it["promise"], _held(it), it["date"], it["commit"]) for goal, it in kept.items()]
    parts = [_HEAD.format(name=path.name), bench_report.table(columns, rows)]
    parts += ["\n" + "\n".join(_section(goal, it)) for goal, it in kept.items()]
    path.with_suffix(".md").write_text("".join([*parts, "\n", _LIMITS]), encoding="utf-8")


def _word(finding: Finding) -> str:
    if finding.held:
        return "ok"
    return "NOT HELD (of speed)" if finding.of_speed else "NOT HELD"


def _order(name: str) -> tuple[int, str]:
    """Goals by their numbers; of each the run as it is promised first."""
    goal, _, special = name.partition(",")
    return int(goal[1:]), special


def _held(kept: Mapping[str, Any]) -> str:
    return "yes" if all(each["held"] for each in kept["findings"]) else "**no**"


def _section(goal: str, kept: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {goal}: {kept['promise']}\n"
    if kept["how"]:
        yield f"{kept['how']}\n"
    rows = [
        (each["what"], each["measured"], each["allowed"], "yes" if each["held"] else "**no**")
        for each in kept["findings"]
    ]
    yield bench_report.table(("", "measured", "allowed", "held"), rows)
    if kept["limits"]:
        yield f"{kept['limits']}\n"
    yield f"By `{kept['command']}`, {kept['seconds']} s, {kept['date']}, commit {kept['commit']}.\n"


def _read(path: Path) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return kept
