"""`imagectl models`: which models there are, how one is added, and which is served."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagectl.served_model import ServedModel
from imagectl.settings import settings_of
from imagectl.switch import model_ids, switch
from models import bundle, publish
from models.prepare import cache_folder
from models.worker import say
from pipeline.errors import ModelRefused
from pipeline.ids import MODEL_BUCKET
from pipeline.models.labels import parse_labels
from pipeline.models.manifest import CURRENT_KEY, LABELS_FILE, MANIFEST_FILE, Manifest
from pipeline.storage.object_store import ObjectStore
from pipeline.timeouts import chain

_COLUMNS = ("", "model id", "name", "version", "classes", "input", "demonstration")
# Wide enough for every column where the output is no terminal.
_FILE_WIDTH = 200


@click.group()
def models() -> None:
    """Models in MinIO: list them, add one, use one."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_models(as_json: bool) -> None:
    """List the models; * is the current one."""
    store = publish.models_store(settings_of(os.environ))
    current = (store.get(MODEL_BUCKET, CURRENT_KEY) or b"").decode().strip()
    rows = [_row(model_id, model_id == current, store) for model_id in model_ids(store)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    console = Console()
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    console.print(_table(rows))


@models.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def add(folder: Path) -> None:
    """Prepare the model in FOLDER and put it into MinIO; prints its id.

    Which model is served does not change: `imagectl models use` does that.
    """
    store = publish.models_store(settings_of(os.environ))
    prepared = bundle.prepare(folder, cache_folder(os.environ))
    publish.add(prepared, store)
    click.echo(prepared.manifest.model_id)


@models.command()
@click.argument("model_id")
@click.option("--timeout", type=float, help="Seconds for each function; longer than the provider.")
def use(model_id: str, timeout: float | None) -> None:
    """Serve MODEL_ID from now on; works while images come in.

    Jobs accepted before are answered by the model they were accepted under.
    """
    settings = settings_of(os.environ)
    store = publish.models_store(settings)
    patience_seconds = timeout or chain.rollout_seconds(os.environ)
    switch(model_id, store, ServedModel(settings), patience_seconds, say)


def _row(model_id: str, is_current: bool, store: ObjectStore) -> dict[str, Any]:
    row: dict[str, Any] = {"modelId": model_id, "current": is_current}
    try:
        manifest = Manifest.from_json(_file(store, model_id, MANIFEST_FILE))
        row["classes"] = len(parse_labels(_file(store, model_id, LABELS_FILE)))
    except ModelRefused as error:
        return {**row, "refused": str(error)}
    size = manifest.input
    return {
        **row,
        "name": manifest.name,
        "version": manifest.version,
        "input": {"height": size.height, "width": size.width, "channels": size.channels},
        "demonstration": manifest.demonstration,
    }


def _file(store: ObjectStore, model_id: str, file: str) -> bytes:
    data = store.get(MODEL_BUCKET, f"{model_id}/{file}")
    if data is None:
        raise ModelRefused(f"{MODEL_BUCKET}/{model_id} has no {file}")
    return data


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(*_COLUMNS, box=None)
    for row in rows:
        mark = "*" if row["current"] else ""
        if "refused" in row:
            table.add_row(mark, row["modelId"], Text(row["refused"], style="red"))
            continue
        size = "×".join(str(side) for side in row["input"].values())
        demonstration = "yes" if row["demonstration"] else ""
        facts = (row["name"], row["version"], str(row["classes"]), size, demonstration)
        table.add_row(mark, row["modelId"], *facts)
    return table
