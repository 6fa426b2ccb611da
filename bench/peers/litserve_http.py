"""LitServe: an image in, labels out. `python -m bench.peers.litserve_http PORT [WORKERS]`.

Without WORKERS everything is left at its default but the address.
"""

# No `from __future__ import annotations`: LitServe reads the annotation itself, not its text.

import sys
from typing import Annotated, Any

import litserve
from fastapi import Body

from bench.peers.work import Work


class Classifier(litserve.LitAPI):  # type: ignore[misc]
    """The raw body is the image."""

    def setup(self, device: str) -> None:
        self._work = Work()

    def decode_request(self, request: Annotated[bytes, Body()]) -> bytes:
        return request

    def predict(self, image: bytes) -> list[dict[str, Any]]:
        return self._work.labels(image)

    def encode_response(self, labels: list[dict[str, Any]]) -> dict[str, Any]:
        return {"labels": labels}


def main(port: int, workers: int | None) -> None:
    """Serve until told to end; with workers given, as fast as it can be set."""
    given = {"workers_per_device": workers, "fast_queue": True} if workers else {}
    quiet = {"log_level": "warning"} if workers else {}
    server = litserve.LitServer(Classifier(), accelerator="cpu", **given)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, **quiet)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
