"""`imagectl prove`: what is tried, in which order, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator

import click

from imagectl.prove import acceptance, burst, cache, faults, poison, report, results
from imagectl.prove.faults import LocalProcesses
from imagectl.prove.gateway import Gateway
from imagectl.prove.line import GUARANTEES, Line, not_seen
from imagectl.settings import api_key_of, authority_of, gateway_url_of, state_dir_of

Trial = Callable[[], Line | list[Line]]

# Less than a retry waits; where processors are short, more may be allowed.
WITHIN_SECONDS = 5.0


@click.command()
@click.option("--url", help="The gateway; else GATEWAY_URL, else that of a local stack.")
@click.option("--api-key-file", help="Holds the key; else API_KEY_FILE, else a local stack's own.")
@click.option("--images", default=100, show_default=True, help="Pictures for guarantees 1 and 2.")
@click.option("--burst", "burst_size", default=64, show_default=True, help="Uploads in one moment.")
@click.option("--timeout", default=120.0, show_default=True, help="Seconds for a picture to end.")
@click.option(
    "--within",
    default=WITHIN_SECONDS,
    show_default=True,
    envvar="PROVE_WITHIN_SECONDS",
    help="Seconds for a refusal, and for what good pictures are delayed by bad ones.",
)
@click.option("--faults", "with_faults", is_flag=True, help="Kill the parts of a local stack.")
@click.option(
    "--guarantee", "chosen", type=click.IntRange(1, 8), multiple=True, help="Only this; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def prove(
    url: str | None,
    api_key_file: str | None,
    images: int,
    burst_size: int,
    timeout: float,
    within: float,
    with_faults: bool,
    chosen: tuple[int, ...],
    as_json: bool,
) -> None:
    """Try the guarantees on a running deployment, from outside.

    Sends pictures that are drawn for it, under the key's tenant, and prints each guarantee: what
    was tried, what was found, and whether it held. Ends with status 1 when one did not.
    """
    url = url or gateway_url_of(os.environ)
    local = faults.find(state_dir_of(os.environ), url) if with_faults else None
    gateway = Gateway(url, api_key_of(os.environ, api_key_file), authority_of(os.environ))
    gateway.check()
    lines = []
    wanted = chosen or tuple(GUARANTEES)
    for line in _lines(gateway, images, burst_size, timeout, local, wanted, within):
        click.echo(f"{line.guarantee}: {line.tried}: {line.verdict}", err=True)
        lines.append(line)
    lines.sort(key=lambda line: line.guarantee)
    if as_json:
        click.echo(report.as_json(url, lines))
    else:
        report.show(lines)
    sys.exit(0 if report.held(lines) else 1)


def _lines(
    gateway: Gateway,
    images: int,
    burst_size: int,
    seconds: float,
    local: LocalProcesses | None,
    wanted: Collection[int],
    within: float = WITHIN_SECONDS,
) -> Iterator[Line]:
    """Try one thing after the other; later ones use what earlier ones have seen."""
    seen = results.Seen()
    trials: tuple[tuple[set[int], Trial], ...] = (
        ({1, 2, 5}, lambda: acceptance.accepted_ends(gateway, seen, images, seconds, local)),
        ({1}, lambda: acceptance.forged_jobs_are_unknown(gateway, seen.jobs)),
        ({2, 5}, lambda: results.results_are_the_models(gateway, seen, seconds)),
        ({2}, lambda: results.equal_uploads_share_a_result(gateway, seconds)),
        ({3}, lambda: acceptance.committed_after_the_work(gateway, seconds, local)),
        ({4, 6}, lambda: poison.damaged_pictures(gateway, seconds, within)),
        ({4}, lambda: poison.refused_at_the_door(gateway, seconds)),
        ({5}, lambda: cache.answers_come_without_redis(gateway, seen, seconds, local)),
        ({7}, lambda: burst.burst_is_answered(gateway, burst_size, seconds, within)),
        ({2}, lambda: results.results_have_not_changed(gateway, seen, seconds)),
        ({8}, lambda: not_seen(8, "what one broker and one drive cannot promise: see README")),
    )
    for guarantees, trial in trials:
        if guarantees.intersection(wanted):
            found = trial()
            lines = [found] if isinstance(found, Line) else found
            yield from (line for line in lines if line.guarantee in wanted)
