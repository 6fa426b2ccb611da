"""Bugs that a checker must catch: each an exact text of the code, and what it is replaced by."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.stack import ROOT


@dataclass(frozen=True)
class Edit:
    """One replacement in one file.

    Attributes:
        old: occurs in the file exactly once.
    """

    path: str
    old: str
    new: str

    def count(self, root: Path = ROOT) -> int:
        """Count where the text occurs."""
        return (root / self.path).read_text(encoding="utf-8").count(self.old)

    def apply(self, root: Path) -> None:
        """Plant it.

        Raises:
            AssertionError: the code has changed, and this text must change with it.
        """
        assert self.count(root) == 1, f"{self.path} has {self.count(root)} times: {self.old}"
        path = root / self.path
        path.write_text(path.read_text(encoding="utf-8").replace(self.old, self.new), "utf-8")


@dataclass(frozen=True)
class Bug:
    """A bug, the storm that shows it, and the violation that it must be called.

    Attributes:
        called: any of these lists of the checker's verdict names it.
    """

    name: str
    storm: str
    called: tuple[str, ...]
    edits: tuple[Edit, ...]


_CONSUMER = "consumers/image-process-consumer"

BUGS = (
    Bug(
        "commit before work",
        "classifier hangs",
        ("lost",),
        (
            Edit(
                "pipeline/consuming/group_consumer.py",
                "        again = progress.read(origin.offset)\n",
                "        again = progress.read(origin.offset)\n"
                "        progress.finish(origin.offset)\n",
            ),
        ),
    ),
    Bug(
        "202 before the acknowledgement",
        "broker dies",
        ("lost", "false_acceptances"),
        (
            Edit(
                "functions/image-upload/upload.py",
                "self.publisher.publish(",
                "self.publisher.send(",
            ),
        ),
    ),
    Bug(
        "auto-commit",
        "classifier hangs",
        ("lost",),
        (
            Edit(
                "pipeline/kafka/consumer.py",
                '"enable.auto.commit": False,',
                '"enable.auto.commit": True, "auto.commit.interval.ms": 200,',
            ),
            Edit(
                "pipeline/kafka/consumer.py",
                '"enable.auto.offset.store": False,',
                '"enable.auto.offset.store": True,',
            ),
        ),
    ),
    Bug(
        "cache key without the model",
        "two models",
        ("lost",),
        (
            Edit(
                "pipeline/storage/cache.py",
                "result:{tenant}:{image}:{model}",
                "result:{tenant}:{image}",
            ),
        ),
    ),
    Bug(
        "MD5 key",
        "poison",
        ("wrong",),
        (
            Edit(
                "pipeline/ids.py",
                "    return hashlib.sha256(data).hexdigest()\n",
                "    return hashlib.md5(data).hexdigest() * 2\n",
            ),
        ),
    ),
    Bug(
        "dropped dead letter",
        "poison",
        ("dead_letters",),
        (
            Edit(
                f"{_CONSUMER}/process.py",
                "        sent = [self._publisher.send(*event) for _, event in settled]\n",
                "        settled = [it for it in settled if it[1].topic != topics.FAILURES.name]\n"
                "        sent = [self._publisher.send(*event) for _, event in settled]\n",
            ),
        ),
    ),
    Bug(
        "counter that counts twice",
        "poison",
        ("conservation",),
        (
            Edit(
                "imagectl/conservation.py",
                "getattr(self.balance, state) + 1)\n",
                "getattr(self.balance, state) + 2)\n",
            ),
        ),
    ),
    Bug(
        "swallowed exception",
        "letters refused",
        ("dead_letters",),
        (
            Edit(
                f"{_CONSUMER}/process.py",
                "                self._acknowledge(delivery, event, acknowledgement)\n"
                "            except Unavailable as error:\n"
                "                _log_waiting(delivery, error)\n"
                "                unfinished.append(delivery)\n",
                "                self._acknowledge(delivery, event, acknowledgement)\n"
                "            except Unavailable as error:\n"
                "                _log_waiting(delivery, error)\n",
            ),
        ),
    ),
)


def plant(bug: Bug | None, target: Path) -> Path:
    """Copy the checkout and plant a bug in the copy; None plants none."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    (target / ".venv").symlink_to((ROOT / ".venv").resolve())
    for edit in bug.edits if bug else ():
        edit.apply(target)
    return target
