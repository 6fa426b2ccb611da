"""The table of what grows with the number of images, until it is too much."""

from __future__ import annotations

from collections.abc import Callable

from bench.reporting.report import table
from bench.simulation.extrapolations import RATES
from bench.simulation.needs import BILLION
from bench.simulation.plan import Planner
from pipeline.settings import Settings

_DAY_SECONDS, _HOUR_SECONDS = 24 * 60 * 60, 60 * 60
# input_key and its like in pipeline/ids.py: two hex digits of the image's id.
_FOLDERS = 256
_AUDITED = 100_000


def walls(planner: Planner) -> str:
    """What a day of each rate comes to, and a billion images."""
    days = [rate * _DAY_SECONDS for rate in RATES]
    backlog = Settings().max_backlog_images

    def row(what: str, shown: Callable[[float], str], rests_on: str, then: str) -> tuple[str, ...]:
        return (what, *map(shown, (*days, BILLION)), rests_on, then)

    rows = [
        row(
            "images",
            lambda images: f"{images / 1e6:,.1f} million",
            "the rate, all day",
            "",
        ),
        row(
            "one look of the reconciler, *extrapolated*",
            lambda images: f"{_audit_hours(planner, images):,.1f} h",
            f"{planner.sizes['audit']:g} s for 100,000 images (bench/NOTEBOOK.md, P7)",
            "a catalogue for each shard, written with the results; the reconciler asks it for what"
            " is open",
        ),
        row(
            "names in one folder of a bucket, one tenant",
            lambda images: f"{images / _FOLDERS / 1000:,.0f} thousand",
            "256 folders a tenant (pipeline/ids.py)",
            "more digits, or a bucket for each shard",
        ),
        row(
            "files on one drive, *extrapolated*",
            lambda images: f"{_files(planner, images) / 1e6:,.0f} million",
            "three objects an image, a file on each of 12 drives; as many drives as hold them",
            "results of a call in one object, with the catalogue saying where; old images away"
            " (lifecycle)",
        ),
    ]
    columns = ("", *(f"a day of {rate:,.0f}/s" for rate in RATES), "a billion", "rests on")
    full = ", ".join(f"{backlog / rate:,.0f} s of {rate:,.0f}/s" for rate in RATES)
    return (
        table((*columns, "what replaces it"), rows)
        + f"\n`MAX_BACKLOG_IMAGES` ({backlog:,}) is full after {full}"
        " in which nothing is classified.\n"
    )


def _audit_hours(planner: Planner, images: float) -> float:
    return images / _AUDITED * planner.sizes["audit"] / _HOUR_SECONDS


def _files(planner: Planner, images: float) -> float:
    drives = planner.drives_for(images)
    return images * planner.files / drives
