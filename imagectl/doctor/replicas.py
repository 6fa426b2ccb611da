"""What the replicas of a function on this machine tell of themselves."""

from __future__ import annotations

from collections.abc import Iterator

from imagectl.doctor import asking
from imagectl.doctor.asking import Answer
from imagectl.doctor.deployment import Deployment
from pipeline.errors import Unavailable


def metrics(deployment: Deployment, function: str) -> Iterator[tuple[str, Answer]]:
    """Ask one after the other that is noted for its metrics; with the address of who answered.

    One that ends at this moment closes its port before its note goes, and tells nothing. Whether
    there are as many as there should be, OpenFaaS is asked.

    Raises:
        Unavailable: some are noted, and none answers.
    """
    has_answered, silent = False, None
    for url in deployment.replica_urls(function):
        try:
            answer = asking.get(f"{url}/metrics")
        except Unavailable as error:
            silent = error
            continue
        has_answered = True
        yield url, answer
    if silent and not has_answered:
        raise silent
