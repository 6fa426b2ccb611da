"""How another model comes into service: checked, deployed function by function, made current.

No request fails meanwhile, and no job changes its model: jobs are pinned to the model they were
accepted under, and the classifier answers for that one too (docs/decisions/0008).
"""

from __future__ import annotations

from collections.abc import Callable

from imagectl.served_model import Function, NotSwitched, ServedModel, model_of
from models.check import check
from models.publish import make_current
from pipeline.errors import ModelRefused, Unavailable
from pipeline.ids import MODEL_BUCKET
from pipeline.models.bundles import read_bundle
from pipeline.models.manifest import MANIFEST_FILE
from pipeline.storage.object_store import ObjectStore

Say = Callable[[str], None]


def switch(
    model_id: str, store: ObjectStore, openfaas: ServedModel, seconds: float, say: Say
) -> None:
    """Serve a model that MinIO holds.

    Args:
        seconds: how long each function may take.

    Raises:
        ModelRefused: it cannot be served; nothing was changed.
        NotSwitched: a function does not serve it; those that did were put back.
        Unavailable: MinIO or OpenFaaS does not answer, or refuses; likewise.
    """
    verify(model_id, store)
    say(f"{model_id} fits its digests, shape and labels")
    functions = [each for each in openfaas.functions_with_a_model() if model_of(each) != model_id]
    tried: list[Function] = []
    try:
        for function in functions:
            tried.append(function)
            openfaas.deploy(function, model_id)
            openfaas.wait(function, model_id, seconds)
            say(f"{function['name']} serves it")
    except (NotSwitched, Unavailable, KeyboardInterrupt):
        _put_back(tried, openfaas, seconds, say)
        raise
    make_current(model_id, store)
    say(f"{model_id} is current")


def verify(model_id: str, store: ObjectStore) -> None:
    """Check a bundle in MinIO.

    Raises:
        ModelRefused: it is not there, or damaged; says what was found and what is expected.
    """
    files = read_bundle(store, model_id)
    if not files:
        held = ", ".join(model_ids(store)) or "none"
        raise ModelRefused(f"MinIO holds no model {model_id}; it holds {held}")
    check(files)


def model_ids(store: ObjectStore) -> list[str]:
    """List the models that MinIO holds whole."""
    keys = (key.partition("/") for key in store.keys(MODEL_BUCKET, ""))
    return sorted(model_id for model_id, _, file in keys if file == MANIFEST_FILE)


def _put_back(tried: list[Function], openfaas: ServedModel, seconds: float, say: Say) -> None:
    """Deploy functions as they were; one that cannot be is named, and the others still are."""
    for function in reversed(tried):
        name, before = function["name"], model_of(function)
        try:
            openfaas.deploy(function, before)
            openfaas.wait(function, before, seconds)
            say(f"{name} serves {before} again")
        except (NotSwitched, Unavailable) as error:
            say(f"{name} could not be put back to {before}: {error}")
