"""`make test-kubernetes`: a cluster, the chart in it, every end-to-end test, and a storm.

What is missing is built into the cache first. Nothing is left of the cluster.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from local.services.fetch import debian
from local.services.progress import StepFailed, say
from local.services.settings import Stack
from tests.compose import daemon, plugins
from tests.kubernetes import (
    cluster,
    cluster_images,
    figures,
    own_images,
    programs,
    release,
    sharing,
    stack,
    worker,
)
from tests.kubernetes.release import Release
from tests.stack import ROOT

_PYTEST = (sys.executable, "-m", "pytest", "-q")
_EXAMPLE = ROOT / "models" / "demonstration" / "example.png"
# The storm accounts for all that there is, so it comes first; the last one leaves other services.
_SUITES = (
    [sys.executable, "-m", "tests.kubernetes.storm"],
    [*_PYTEST, "tests/kubernetes/checks.py"],
    [*_PYTEST, "tests/e2e"],
    [*_PYTEST, "tests/kubernetes/elsewhere.py"],
)
_CONTRACT = [sys.executable, "-m", "tests.openfaas"]


def main() -> int:
    options = _parse()
    # Whatever ends the run, what it has started ends first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started = time.monotonic()
    try:
        archives = _have()
        say(f"  Everything is there after {time.monotonic() - started:.0f} s.")
        with _released(*archives) as installed:
            if options.stay:
                return _stay(installed)
            suites = [[*_PYTEST, *options.only]] if options.only else _SUITES
            failed = [words for words in suites if not _passes(words, installed)]
        # In a cluster of its own: what is asked of OpenFaaS there is no matter of the release's.
        if not options.only and subprocess.run(_CONTRACT, cwd=ROOT).returncode:
            failed.append(_CONTRACT)
    except (daemon.NoDocker, StepFailed) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    for words in failed:
        print(f"failed: {' '.join(words)}", file=sys.stderr)
    return 1 if failed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes", description=__doc__)
    parser.add_argument("only", nargs="*", help="tests instead of all, as pytest takes them")
    parser.add_argument("--stay", action="store_true", help="test nothing; stay until Ctrl-C")
    return parser.parse_args()


def _have() -> tuple[Path, Path]:
    """Build what is missing; returns the archives of images."""
    for tool in programs.CLUSTER:
        tool.folder()
    debian.chromium(Stack.from_env(os.environ))  # the cluster's network has no way to it
    with daemon.running():
        os.environ.update(plugins.provide())
        return cluster_images.have(), own_images.have()


@contextlib.contextmanager
def _released(of_cluster: Path, own: Path) -> Iterator[Release]:
    """Have a cluster with the chart in it, that has classified a picture."""
    with contextlib.ExitStack() as up:
        folder = Path(up.enter_context(tempfile.TemporaryDirectory(prefix="release-")))
        started = time.monotonic()
        running = up.enter_context(cluster.running(of_cluster))
        running.images(own)
        installed = release.install(running, folder)
        sharing.claim(running, folder / "shared")
        figures.tell_label(_EXAMPLE, installed, started)
        yield installed


def _passes(words: list[str], installed: Release) -> bool:
    say(f"  {' '.join(words[1:])}")
    command = installed.cluster.machine.command(*words)
    return subprocess.run(command, cwd=ROOT, env=_environment(installed)).returncode == 0


def _stay(installed: Release) -> int:
    environment = stack.environment(
        installed.folder,
        installed.cluster.kubeconfig,
        worker.socket(installed.cluster.machine),
    )
    say(f"\nThe gateway: {release.URL}; on the node (process {installed.cluster.machine.pid}):")
    say(" ".join(f"{name}={text}" for name, text in environment.items()))
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    return 0


def _environment(installed: Release) -> dict[str, str]:
    running = installed.cluster
    told = stack.environment(installed.folder, running.kubeconfig, worker.socket(running.machine))
    return {**running.machine.environment(running.environment()), **told}


if __name__ == "__main__":
    sys.exit(main())
