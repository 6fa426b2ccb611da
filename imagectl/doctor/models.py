"""Whether the model in MinIO is what its manifest says, and the one that is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from imagectl.doctor import asking, replicas
from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import Finding, Wrong, of, unseen
from pipeline.errors import ModelRefused, Unavailable
from pipeline.http.openfaas import OpenFaaS
from pipeline.models import bundles
from pipeline.models.manifest import LABELS_FILE, MANIFEST_FILE, MODEL_FILE, Manifest
from pipeline.storage.object_store import ObjectStore

_CLASSIFIER = "image-classifier"
_REQUEST_SECONDS = 10.0
_LOADED = re.compile(
    r'^image_model_loaded\{digest="([0-9a-f]{64})",model_id="([^"]+)"\} 1\.0$', re.MULTILINE
)
# Where replicas cannot be asked one by one, whoever is asked is left to the provider.
_ASKED = 4


def examine(deployment: Deployment) -> list[Finding]:
    """Look at the current model."""
    store = ObjectStore(deployment.settings)
    try:
        model_id = bundles.current_model_id(deployment.settings, store)
        files = bundles.read_bundle(store, model_id)
        if not files:
            raise ModelRefused(f"MinIO holds no model {model_id}")
        manifest = Manifest.from_json(files[MANIFEST_FILE])
        for file in (MODEL_FILE, LABELS_FILE):
            manifest.verify(file, files[file])
    except (ModelRefused, Unavailable) as error:
        change = "put it in again (`imagectl models add FOLDER`, `models use`), or use another one"
        wrong = Wrong(str(error), "the bytes that its manifest was made for", change)
        return [of("model", [wrong], ""), unseen("loaded models", "there is none to compare with")]
    return [
        of("model", [], f"{model_id}, as its manifest says"),
        _loaded(deployment, manifest),
    ]


def _loaded(deployment: Deployment, manifest: Manifest) -> Finding:
    """What the functions were told, and what the replicas of the classifier hold."""
    openfaas = OpenFaaS(deployment.settings, _REQUEST_SECONDS)
    change = f"`imagectl models use {manifest.model_id}`"
    wrong = []
    for function in openfaas.functions():
        given = (function.get("envVars") or {}).get("MODEL_ID", manifest.model_id)
        if given not in (manifest.model_id, "current"):
            found = f"{function['name']} was told the model {given}"
            wrong.append(Wrong(found, manifest.model_id, change))
    told = [*_metrics(deployment)]
    for model_id, digest in loaded(told):
        if digest != manifest.digests[MODEL_FILE]:
            found = f"a replica holds {model_id} of SHA-256 {digest[:12]}…"
            wanted = f"{manifest.model_id} of {manifest.digests[MODEL_FILE][:12]}…"
            wrong.append(Wrong(found, wanted, change))
    if not told:
        wrong.append(Wrong("no replica of the classifier tells its model", "one", change))
    return of("loaded models", wrong, f"{manifest.model_id} in {len(told)} replicas")


def loaded(metrics: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Read the current model's id and digest out of what replicas tell."""
    for text in metrics:
        for digest, model_id in _LOADED.findall(text):
            yield model_id, digest


def _metrics(deployment: Deployment) -> Iterator[str]:
    """Ask every replica on this machine; elsewhere, several times, whichever answers."""
    answers = [*replicas.metrics(deployment, _CLASSIFIER)]
    if not answers:
        through = f"{deployment.settings.openfaas_url.rstrip('/')}/function/{_CLASSIFIER}/metrics"
        answers = [("", asking.get(through)) for _ in range(_ASKED)]
    seen = set()
    for url, answer in answers:
        text = answer.body.decode(errors="replace")
        started = re.search(r"^process_start_time_seconds (\S+)$", text, re.MULTILINE)
        who = (started[1] if started else "", url)
        if answer.status == 200 and who not in seen and "image_model_loaded{" in text:
            seen.add(who)
            yield text
