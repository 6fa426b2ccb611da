"""What the replicas of a function on this machine tell of themselves."""

from __future__ import annotations

from imagectl.doctor import asking
from imagectl.doctor.asking import Answer
from imagectl.doctor.deployment import Deployment
from pipeline.errors import Unavailable


def metrics(deployment: Deployment, function: str) -> dict[str, Answer]:
    """Ask each that is noted for its metrics; by the address of who answered.

    One that ends at this moment closes its port before its note goes, and tells nothing. Whether
    there are as many as there should be, OpenFaaS is asked.

    Raises:
        Unavailable: some are noted, and none answers.
    """
    told: dict[str, Answer] = {}
    silent: Unavailable | None = None
    for url in deployment.replica_urls(function):
        try:
            told[url] = asking.get(f"{url}/metrics")
        except Unavailable as error:
            silent = error
    if silent and not told:
        raise silent
    return told
