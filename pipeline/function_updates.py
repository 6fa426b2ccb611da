"""How an update of a function is asked for, whatever stands behind OpenFaaS' REST API."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import requests

# Kubernetes writes a Deployment some times a second while its pods come and go.
_MOST_CONFLICTS = 10


class NotUpdated(Exception):
    """OpenFaaS has not updated a function, and has not said so."""


def update_function(
    call: Callable[[str, str, object], requests.Response], request: dict[str, Any]
) -> requests.Response:
    """Update a function, again where Kubernetes had another write it in the same moment.

    faas-netes answers 202 to what it has done, and 200 to what Kubernetes has refused
    (pkg/handlers/update.go); faasd says 200 of what it has done.

    Args:
        call: asks OpenFaaS: method, path, body.

    Raises:
        NotUpdated: it was refused each time.
    """
    for _ in range(_MOST_CONFLICTS):
        answer = call("PUT", "/system/functions", request)
        if answer.status_code != HTTPStatus.OK:
            return answer
        if "faas-netes" not in call("GET", "/system/info", None).text:
            return answer
    raise NotUpdated(
        f"{request['service']}: OpenFaaS answers 200, where 202 says that it was done: Kubernetes"
        " refuses the update, and the log of faas-netes says why"
    )
