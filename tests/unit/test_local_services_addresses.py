"""No address of a server is left in what is shown of other programs' output."""

from __future__ import annotations

import sys

import pytest

from local.machine import addresses
from local.services import progress

LINES = {
    "Downloading from central: https://repo.example/maven2/org/kafka/kafka-clients-4.3.1.jar": (
        "Downloading from central: kafka-clients-4.3.1.jar"
    ),
    "Looking in indexes: https://user:secret@packages.example/simple": "Looking in indexes: simple",
    "Get:1 http://deb.example/debian bookworm InRelease": "Get:1 debian bookworm InRelease",
    "Cannot fetch https://packages.example: no route": "Cannot fetch (address) no route",
    "HTTPSConnectionPool(host='packages.example', port=443)": (
        "HTTPSConnectionPool(host='(address)', port=443)"
    ),
    'Get "https://proxy.example/m/@v/v1.zip": dial tcp: lookup proxy.example on 10.0.0.1:53: no': (
        'Get "v1.zip": dial tcp: lookup (address) on (address): no'
    ),
    "dial tcp 10.0.0.1:443: connection refused": "dial tcp (address): connection refused",
    "Err:1 Could not resolve 'deb.example'": "Err:1 Could not resolve '(address)'",
    "Unable to connect to deb.example:80 [IP: 10.0.0.1 80]": (
        "Unable to connect to (address) [IP: (address) 80]"
    ),
    "Connect to repo.example:443 failed": "Connect to (address) failed",
    "github.com/minio/minio/cmd": "github.com/minio/minio/cmd",
    "Installing collected packages: numpy": "Installing collected packages: numpy",
}


@pytest.mark.parametrize("line", LINES)
def test_of_an_address_only_what_was_fetched_is_left(line: str) -> None:
    assert addresses.hide(line) == LINES[line]


def test_a_failed_step_shows_no_address() -> None:
    code = "print('no answer from https://packages.example/simple/numpy/'); raise SystemExit(1)"

    with pytest.raises(progress.StepFailed) as failed:
        progress.run("Tea", [sys.executable, "-c", code])

    assert "packages.example" not in str(failed.value)
    assert str(failed.value).endswith("no answer from numpy")
