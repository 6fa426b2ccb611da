"""`python -m bench.simulation`: compare the model with what was measured, and extrapolate.

With --write, docs/scale.md and what it is made of are written anew; with --page, its tables alone,
of what was found last; with --take, first the table of costs, from results.json as it is now.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench.progress import say
from bench.reporting.report import table
from bench.simulation import costs, extrapolations, page
from bench.simulation.comparison import CALIBRATED, is_close, why_far
from bench.simulation.plan import Planner
from bench.simulation.scenarios import scenarios
from bench.simulation.tables import Tables

FOUND = Path(__file__).parent / "found.json"


def main() -> int:
    """Return 0, or 1 where the model is farther off than is known."""
    options = _parse()
    if options.take:
        costs.take()
    tables = Tables(costs.read())
    if options.page:
        _write_page(tables, json.loads(FOUND.read_text(encoding="utf-8")))
        return 0
    figures = _compare(tables)
    say(_shown(tables, figures))
    if options.write:
        found = {"figures": figures, "extrapolations": _extrapolate(tables)}
        FOUND.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        _write_page(tables, found)
    measured = tables.table["figures"]
    far = [name for name, said in figures.items() if not is_close(measured[name].value, said)]
    return 1 if any(not why_far(name) for name in far) else 0


def _compare(tables: Tables) -> dict[str, float]:
    found: dict[str, float] = {}
    for run in scenarios(tables).values():
        found |= run()
    order = tables.table["figures"]
    return {name: round(found[name], 3) for name in order}


def _extrapolate(tables: Tables) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for run in extrapolations.extrapolations(Planner(tables)):
        say(f"Extrapolating: {run.name}.")
        found[run.name] = extrapolations.simulate(run, tables)
    return found


def _write_page(tables: Tables, found: dict[str, Any]) -> None:
    text = page.render(page.PAGE.read_text(encoding="utf-8"), tables, found)
    page.PAGE.write_text(text, encoding="utf-8")
    say(f"Written to {page.PAGE}.")


def _shown(tables: Tables, figures: dict[str, float]) -> str:
    measured = tables.table["figures"]
    rows = [
        (
            name,
            measured[name].value,
            said,
            f"{said / measured[name].value - 1:+.1%}",
            "calibrated" if name in CALIBRATED else "",
        )
        for name, said in figures.items()
    ]
    return table(("figure", "measured", "the model says", "difference", ""), rows)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("--write", action="store_true", help="docs/scale.md, in a minute")
    parser.add_argument("--page", action="store_true", help="its tables, without running anything")
    parser.add_argument("--take", action="store_true", help="the costs that results.json has now")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
