"""A client that goes on asking: uploads on schedule with one key, whatever the gateway says.

`python -m bench.load.knocking PER_SECOND IMAGE` does so until its input ends, and prints how many
were answered with which status. GATEWAY (host:port) and API_KEY say where, and whose it is.
It is a process of its own, as what it costs is not to be paid by whoever measures.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

_SENDERS = 8
_TIMEOUT_SECONDS = 60.0


def main(per_second: float, image: bytes) -> Counter[int]:
    """Send until standard input ends; how many answers had which status."""
    enough, numbers, began = threading.Event(), count(), time.monotonic()
    answered: Counter[int] = Counter()

    def send() -> None:
        connection = http.client.HTTPConnection(os.environ["GATEWAY"], timeout=_TIMEOUT_SECONDS)
        headers = {"X-Api-Key": os.environ["API_KEY"], "Content-Type": "image/jpeg"}
        while not enough.wait(max(0.0, began + next(numbers) / per_second - time.monotonic())):
            connection.request("POST", "/api/v1/images", image, headers)
            response = connection.getresponse()
            response.read()
            answered[response.status] += 1
        connection.close()

    with ThreadPoolExecutor(_SENDERS) as senders:
        sending = [senders.submit(send) for _ in range(_SENDERS)]
        sys.stdin.read()
        enough.set()
    for each in sending:
        each.result()
    return answered


if __name__ == "__main__":
    print(json.dumps(main(float(sys.argv[1]), Path(sys.argv[2]).read_bytes())))
