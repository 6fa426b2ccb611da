"""What is taken for the end of a process: that of its last thread, not of its first."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

from local.machine import processes
from local.machine.processes import Process
from tests.stack import until

# The system call that ends one thread alone; no function of a library does that.
EXIT = {"x86_64": 60, "aarch64": 93}[platform.machine()]
CODE = f"""
import ctypes, threading
threading.Thread(target=input).start()
ctypes.CDLL(None).syscall({EXIT}, 0)
"""


def test_a_process_lives_until_its_last_thread_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", CODE], stdin=subprocess.PIPE) as child:
        until(lambda: _state(child.pid) == "Z")
        start_time = processes.start_time(child.pid)
        process = Process("threads", child.pid, start_time or 0)

        lived = process.is_alive()
        child.kill()
        until(lambda: not process.is_alive())

    assert start_time
    assert lived


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
