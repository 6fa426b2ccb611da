"""Whether MinIO has the buckets, and keeps them to itself."""

from __future__ import annotations

import json
from typing import Any

from imagectl.doctor import asking
from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import Finding, Wrong, of
from pipeline.errors import Unavailable
from pipeline.ids import BUCKETS
from pipeline.storage.object_store import ObjectStore

_PUBLIC = 200
_EVERYBODY = "*"


def examine(deployment: Deployment) -> list[Finding]:
    """Ask MinIO with our keys, and with none."""
    settings = deployment.settings
    endpoint = settings.minio_endpoint
    try:
        asking.get(f"http://{endpoint}/minio/health/live")
    except Unavailable as error:
        change = "start it (`make up`), or let MINIO_ENDPOINT name it"
        return [of("minio", [Wrong(str(error), "an answer", change)], "")]
    store = ObjectStore(settings)
    there = [bucket for bucket in BUCKETS if store.has_bucket(bucket)]
    change = "run `python -m pipeline.storage.administration`: it makes what is missing"
    missing = [
        Wrong(f"there is no bucket {bucket}", "all of them", change)
        for bucket in BUCKETS
        if bucket not in there
    ]
    public = [each for bucket in there for each in _public(store, endpoint, bucket)]
    return [
        of("minio", [], f"{endpoint} answers"),
        of("buckets", missing, ", ".join(there)),
        of("policies", public, "no bucket is anybody's to read or to write"),
    ]


def _public(store: ObjectStore, endpoint: str, bucket: str) -> list[Wrong]:
    change = f"take the policy of {bucket} away (`mc anonymous set none`)"
    if allowed := allowed_to_everybody(store.policy(bucket)):
        found = f"{bucket} allows {', '.join(allowed)} to everybody"
        return [Wrong(found, "nothing", change)]
    if asking.get(f"http://{endpoint}/{bucket}/?list-type=2&max-keys=1").status == _PUBLIC:
        return [Wrong(f"{bucket} is listed without a key", "403", change)]
    return []


def allowed_to_everybody(policy: str | None) -> list[str]:
    """Read what a bucket's policy allows to whoever asks; none where it has none."""
    if policy is None:
        return []
    statements = json.loads(policy).get("Statement", [])
    statements = [statements] if isinstance(statements, dict) else statements
    return sorted(
        {
            action
            for each in statements
            if each.get("Effect") == "Allow" and _is_everybody(each.get("Principal"))
            for action in _list(each.get("Action"))
        }
    )


def _is_everybody(principal: Any) -> bool:
    named = principal.get("AWS") if isinstance(principal, dict) else principal
    return _EVERYBODY in _list(named)


def _list(text: Any) -> list[str]:
    return [text] if isinstance(text, str) else list(text or ())
