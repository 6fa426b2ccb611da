"""What users, full disks and bad services do to the supervisor, and what it makes of that."""

from __future__ import annotations

import os
import signal
from itertools import pairwise
from pathlib import Path

from local.machine import processes
from tests.disk import small_disk
from tests.small_stack import running
from tests.stack import until

TALKS = "while :; do echo line || :; sleep 0.02; done"
LARGEST_LOG_BYTES = 100_000


def _ignores(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    ignored = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored, 16) & 1 << (number - 1))


def test_a_hangup_ends_neither_supervisor_nor_service(tmp_path: Path) -> None:
    with running(tmp_path, talker=TALKS) as small:
        pid = small.pid("talker")
        assert pid

        small.process.send_signal(signal.SIGHUP)
        size = small.log("talker").stat().st_size
        until(lambda: small.log("talker").stat().st_size > size)

        assert small.process.poll() is None
        assert small.pid("talker") == pid
        assert not _ignores(pid, signal.SIGHUP)


def test_a_service_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, stubborn="trap '' TERM; echo; while :; do sleep 0.1; done") as small:
        pid = small.pid("stubborn")
        assert pid
        until(lambda: small.log("stubborn").stat().st_size > 0)  # from now on it ignores it

        assert small.stop() == 0

        assert "stubborn: killed after" in small.log("supervisor").read_text()
        until(lambda: processes.memory_bytes(pid) == 0)
        assert list(small.stack.run_dir.iterdir()) == []


def test_a_flood_of_lines_stays_within_bounds(tmp_path: Path) -> None:
    chatter = "yes a line that says little | head -c 19200 || :; sleep 0.02"
    # Whole lines, and 1 MB a second at most: ten times what may be kept.
    command = f"while :; do {chatter}; done"
    sizes = [0]
    with running(tmp_path, LARGEST_LOG_BYTES, chatter=command) as small:
        log = small.log("chatter")
        kept = log.with_name("chatter.log.1")

        def was_emptied_five_times() -> bool:
            sizes.append(log.stat().st_size)
            return sum(later < earlier for earlier, later in pairwise(sizes)) >= 5

        until(was_emptied_five_times, 120)
        assert small.stop() == 0  # else what is kept is just being written, now and then

        assert kept.stat().st_size <= LARGEST_LOG_BYTES
        assert kept.read_text().splitlines()[0] == "a line that says little"
        assert max(sizes) < 40 * LARGEST_LOG_BYTES
        assert small.state("chatter")["restarts"] == 0


def test_the_logs_of_replicas_are_left_to_the_provider(tmp_path: Path) -> None:
    replica = tmp_path / "logs" / "image-upload-1.log"
    replica.parent.mkdir()
    replica.write_text("line\n" * LARGEST_LOG_BYTES)

    with running(tmp_path, LARGEST_LOG_BYTES, chatter="yes | head -c 200000; sleep 60") as small:
        until(small.log("chatter").with_name("chatter.log.1").exists)

    assert replica.stat().st_size == 5 * LARGEST_LOG_BYTES


def test_on_a_full_disk_services_go_on_and_killed_ones_come_back(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "state", kilobytes=256) as disk,
        running(disk.folder, talker=TALKS) as small,
    ):
        disk.fill()
        first = small.pid("talker")
        assert first
        run_file = small.stack.run_dir / "talker.json"
        # The room that it takes is not free when it is forgotten.
        os.link(run_file, disk.folder / "linked")
        os.kill(first, signal.SIGKILL)
        until(lambda: not run_file.exists())
        # Neither its run file nor the supervisor's state can be written: /proc is asked.
        until(lambda: _children(small.process.pid) or None)
        assert disk.is_full()

        disk.make_room()
        second = until(lambda: small.pid("talker"))
        size = small.log("talker").stat().st_size
        until(lambda: small.log("talker").stat().st_size > size)
        until(lambda: small.state("talker") == {"state": "healthy", "wrong": "", "restarts": 1})

        assert second != first
        assert small.stop() == 0


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
