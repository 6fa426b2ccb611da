"""Images a second from upload to result, on whatever stack; the local one beside the cluster's.

`python -m tests.kubernetes.speed` measures a local stack that it starts.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from local.services.progress import say
from tests.chaos import evidence
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.pictures import drawn
from tests.local_stack import running_stack
from tests.stack import Stack

_IMAGES = 1000
_THREADS = 8
_SECONDS = 1200.0


def measured(stack: Stack, ledger: Ledger, images: int = _IMAGES) -> float:
    """Upload as fast as it is accepted, and wait until all is classified.

    Returns:
        Images a second over all of it.
    """
    load = Load(stack, ledger, drawn(), _THREADS)
    started = time.monotonic()
    load.run(images, _SECONDS)
    assert load.accepted >= images, f"{load.accepted} of {images} were accepted"
    while evidence.lag(stack) != 0:
        assert time.monotonic() - started < _SECONDS, "the backlog does not end"
        time.sleep(0.2)
    return load.accepted / (time.monotonic() - started)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="speed-") as folder:
        scaled = {"AUTOSCALE": "1"}
        with (
            running_stack(Path(folder) / "state", None, scaled) as stack,
            Ledger(Path(folder) / "ledger.jsonl") as ledger,
        ):
            measured(stack, ledger)  # warm: replicas have come, interpreters are loaded
            say(f"  a local stack: {measured(stack, ledger):.1f} images/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
