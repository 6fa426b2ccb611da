"""Runs a server that ignores $PORT so that it listens there: `on_port.py PORT -- COMMAND…`.

PORT is the one that it takes. It is run as a file, without the packages of anybody.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from local.watchdog.fixed_port import FixedPort


def main() -> int:
    fixed, command = int(sys.argv[1]), sys.argv[3:]
    one = FixedPort(fixed, int(os.environ["PORT"]))
    try:
        process = one.start(command, dict(os.environ))
    except OSError as error:
        print(f"{command[0]} cannot be started: {error}", flush=True)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda given, _: process.send_signal(given))
    status = process.wait()
    if status < 0:  # end as it has ended
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main())
