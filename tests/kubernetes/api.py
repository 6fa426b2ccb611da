"""Kubernetes' API as tests ask it: documents by their paths, by whoever a kubeconfig names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests

_SECONDS = 60.0
_MERGE = "application/strategic-merge-patch+json"
_JSON = "application/json-patch+json"


class Api:
    """One cluster."""

    def __init__(self, kubeconfig: Path) -> None:
        document = json.loads(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self._server = str(cluster["server"])
        self._session = requests.Session()
        self._session.verify = cluster["certificate-authority"]
        self._session.cert = (user["client-certificate"], user["client-key"])
        self._session.trust_env = False

    def get(self, path: str, **query: str) -> Any:
        """A document, as /api/v1/namespaces/NAMESPACE/pods/NAME, or a list of some."""
        return self._call("GET", path, params=query).json()

    def list(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The documents of a list, as /api/v1/namespaces/NAMESPACE/pods."""
        items: list[dict[str, Any]] = self.get(path, **query)["items"]
        return items

    def text(self, path: str, **query: str) -> bytes:
        """What is no document: logs."""
        return self._call("GET", path, params=query).content

    def merge(self, path: str, change: object) -> Any:
        """Change what a part of a document names; lists are merged by the names in them."""
        headers = {"Content-Type": _MERGE}
        return self._call("PATCH", path, data=json.dumps(change), headers=headers).json()

    def replace(self, path: str, *changes: tuple[str, object]) -> Any:
        """Put values at places of a document, as /spec/replicas; what was there is gone."""
        body = [{"op": "add", "path": place, "value": value} for place, value in changes]
        headers = {"Content-Type": _JSON}
        return self._call("PATCH", path, data=json.dumps(body), headers=headers).json()

    def delete(self, path: str, grace_seconds: int | None = None) -> None:
        """Delete a document; that it is gone already is fine."""
        query = {} if grace_seconds is None else {"gracePeriodSeconds": str(grace_seconds)}
        self._call("DELETE", path, params=query, known=(200, 202, 404))

    def _call(
        self, method: str, path: str, known: tuple[int, ...] = (200, 201, 202), **given: Any
    ) -> requests.Response:
        answer = self._session.request(method, self._server + path, timeout=_SECONDS, **given)
        assert answer.status_code in known, f"{method} {path}: {answer.text}"
        return answer
