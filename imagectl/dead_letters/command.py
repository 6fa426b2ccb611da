"""`imagectl dead-letters`: what failed and why, how it is tried again, or stepped over."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from imagectl.dead_letters import table
from imagectl.dead_letters.letters import Filter, Letters
from imagectl.dead_letters.replay import replay as send_again
from imagectl.dead_letters.skip import Skipping, place_of, settings_for
from imagectl.moments import MOMENT
from imagectl.settings import patient, settings_of
from pipeline.errors import NotFound
from pipeline.kafka.broker_probe import BrokerProbe
from pipeline.kafka.publisher import Publisher
from pipeline.kafka.topic_reader import TopicReader
from pipeline.storage.cache import ResultCache
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.results import Results

# Wide enough for every column where the output is no terminal.
_FILE_WIDTH = 240
_MANY = 20

Command = Callable[..., None]


@click.group("dead-letters")
def dead_letters() -> None:
    """Messages that could not be worked off: list, show, replay or make one.

    A letter is called by its own id, by the id of its job or image, or, when its message is no
    event, by the topic/partition/offset where that was read.
    """


def _filters(command: Command) -> Command:
    """Add the options that say which letters are meant."""
    for option in (
        click.argument("ids", nargs=-1),
        click.option("--tenant", help="Of this tenant only."),
        click.option("--reason", metavar="CODE", help="With this reason only."),
        click.option("--since", type=MOMENT, help="Given up at this time or later; 2h: ago."),
        click.option("--until", type=MOMENT, help="Given up before this time; 2h: ago."),
    ):
        command = option(command)
    return command


@dead_letters.command("list")
@_filters
@click.option("--all", "everything", is_flag=True, help="Also those that were replayed.")
@click.option("--limit", default=1000, show_default=True, help="Rows of the table; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_letters(
    everything: bool, limit: int, as_json: bool, ids: tuple[str, ...], **filters: Any
) -> None:
    """List the letters that were not replayed yet, of these IDS or all."""
    with _letters(Filter(frozenset(ids), **filters)) as letters:
        found = letters.read(replayed=everything)
        if as_json:
            _print_json(table.row(shown) for shown in found)
            return
        total = letters.count(replayed=False)
        total += letters.count(replayed=True) if everything else 0
        console = Console()
        if not console.is_terminal:
            console.width = _FILE_WIDTH
        console.print(table.table(itertools.islice(found, limit or None)))
        if 0 < limit < total:
            click.echo(f"{limit} of {total} letters; --limit 0 or --json shows all of them")


@dead_letters.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(ids: tuple[str, ...], as_json: bool) -> None:
    """Show everything about a letter, replayed or not, with its original message."""
    with _letters(Filter(frozenset(ids))) as letters:
        _require_known(letters)
        found = letters.read(replayed=True)
        if as_json:
            _print_json(table.page(shown) for shown in found)
            return
        for number, shown in enumerate(found):
            click.echo("\n" * (number > 0) + "\n".join(table.lines(shown)))


@dead_letters.command()
@_filters
@click.option("--all", "everything", is_flag=True, help="All letters.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be replayed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay(
    everything: bool, dry_run: bool, as_json: bool, ids: tuple[str, ...], **filters: Any
) -> None:
    """Try the messages of letters again, with all their attempts.

    One that was replayed before is passed over; one that fails again makes a new letter.
    """
    meant = Filter(frozenset(ids), **filters)
    if bool(meant) == everything:
        raise click.UsageError("say which letters: IDS or filters, or --all")
    with _letters(meant) as letters:
        _require_known(letters)
        total, before = letters.count(replayed=False), letters.count(replayed=True)
        replayed = 0 if dry_run else _replay(letters, total)
    if as_json:
        click.echo(json.dumps({"open": total, "replayed": replayed, "before": before}))
    else:
        did = f"would replay {total}" if dry_run else f"replayed {replayed}"
        click.echo(f"{did}; {before} had been replayed before")
        if not dry_run and replayed < total:
            click.echo(f"{total - replayed} cannot be: their messages are too large", err=True)


@dead_letters.command()
@click.argument("place", metavar="TOPIC/PARTITION/OFFSET")
@click.option("--why", default="an operator stepped over it", help="What the letter says.")
@click.option("--wait", default=60.0, show_default=True, help="Seconds for consumers to be gone.")
def skip(place: str, why: str, wait: float) -> None:
    """Step over the one message that the consumer does not come past.

    It becomes a dead letter, which can be replayed, and its job says failed. It must be the next of
    its partition, and no consumer may be at work: stop them first, and start them again after it.
    """
    origin = place_of(place)
    settings = settings_for(origin, patient(settings_of(os.environ)))
    reader, publisher = TopicReader(settings), Publisher(settings)
    try:
        results = Results(ObjectStore(settings), ResultCache(settings))
        skipping = Skipping(reader, publisher, results, BrokerProbe(settings), wait)
        click.echo(f"stepped over {place}; its letter is {skipping.skip(origin, why)}")
    finally:
        publisher.close()
        reader.close()


def _replay(letters: Letters, total: int) -> int:
    publisher, console = Publisher(patient(settings_of(os.environ))), Console(stderr=True)
    is_shown = console.is_terminal and total >= _MANY
    done = 0
    try:
        with Progress(console=console, disable=not is_shown, transient=True) as progress:
            task = progress.add_task("replaying", total=total)
            for _ in send_again((shown.letter for shown in letters.read()), publisher):
                done += 1
                progress.advance(task)
    except BaseException:
        click.echo(f"replayed {done} of {total}", err=True)
        raise
    finally:
        publisher.close()
    return done


@contextmanager
def _letters(meant: Filter) -> Iterator[Letters]:
    reader = TopicReader(settings_of(os.environ))
    try:
        letters = Letters(reader, meant)
        if letters.foreign:
            click.echo(f"{letters.foreign} messages in image-failures are no letters", err=True)
        yield letters
    finally:
        reader.close()


def _require_known(letters: Letters) -> None:
    if unknown := letters.unknown_names():
        raise NotFound(f"there is no dead letter {', '.join(unknown)}")


def _print_json(rows: Iterable[dict[str, Any]]) -> None:
    """Print a list of any length, one entry at a time."""
    separator = "["
    for each in rows:
        click.echo(f"{separator}\n{json.dumps(each, indent=2)}", nl=False)
        separator = ","
    click.echo("[]" if separator == "[" else "\n]")
