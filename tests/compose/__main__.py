"""`make test-compose`: images, a project, every end-to-end test and a short storm on it.

Docker is started when it does not run, and ended again; images come from a registry, or are
stand-ins where none answers. Nothing is left of the project.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from local.services.progress import StepFailed, run, say
from tests.compose import daemon, images, plugins
from tests.compose.project import running_project
from tests.compose.stack import ComposeStack
from tests.stack import ROOT, until

EXAMPLE = ROOT / "models" / "demonstration" / "example.png"
_OWN = ("gateway", "provider", "consumers", "rollout")
_REST_SECONDS = 15.0  # after which what its start costs is over
_PYTEST = (sys.executable, "-m", "pytest", "-q")


def main() -> int:
    options = _parse()
    try:
        with daemon.running():
            os.environ.update(plugins.provide())
            stand_ins = images.have([images.DEBIAN, images.PYTHON, *images.of_compose_file()])
            _build()
            status = _test(options.only, stand_ins)
    except (daemon.NoDocker, StepFailed) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return status


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.compose", description=__doc__)
    parser.add_argument("only", nargs="*", help="tests instead of all, as pytest takes them")
    return parser.parse_args()


def _build() -> None:
    environment = {**os.environ, "COMPOSE_PROGRESS": "plain"}
    run("Our images: building", ["docker", "compose", "build"], environment=environment)


def _test(only: list[str], stand_ins: list[str]) -> int:
    with contextlib.ExitStack() as up:
        folder = Path(up.enter_context(tempfile.TemporaryDirectory(prefix="test-compose-")))
        started = time.monotonic()
        project = up.enter_context(running_project(folder / "project", {}))
        _classify(project)
        say(f"  First picture classified {time.monotonic() - started:.1f} s after `up`.")
        if not only:
            _tell(project, stand_ins)
        failed = [words for words in _suites(only) if not _passes(words, project)]
        up.close()
        if left := _left(project.project):
            failed.append(["docker compose down -v left:", *left])
    for words in failed:
        print(f"failed: {' '.join(words)}", file=sys.stderr)
    return 1 if failed else 0


def _suites(only: list[str]) -> list[list[str]]:
    if only:
        return [[*_PYTEST, *only]]
    return [
        [*_PYTEST, "tests/compose/checks.py"],
        [*_PYTEST, "tests/e2e"],
        [sys.executable, "-m", "tests.chaos", "--only", "R1", "--compose"],
        [*_PYTEST, "tests/compose/readme.py", "tests/compose/tls.py"],
    ]


def _passes(words: list[str], project: ComposeStack) -> bool:
    say(f"  {' '.join(words[1:])}")
    environment = {
        **os.environ,
        "GATEWAY_URL": project.url,
        "COMPOSE_PROJECT_NAME": project.project,
        "SECRETS_DIR": project.settings.secrets_dir,
    }
    return subprocess.run(words, cwd=ROOT, env=environment).returncode == 0


def _classify(project: ComposeStack) -> None:
    answer = project.upload(EXAMPLE.read_bytes(), Prefer="wait=30")
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["labels"][0]["label"] == "star", answer.text


def _tell(project: ComposeStack, stand_ins: list[str]) -> None:
    """Print what is worth knowing of this run: images and memory at rest."""
    say("  Images:")
    own = [f"image-pipeline-{name}" for name in _OWN]
    for name in [images.DEBIAN, images.PYTHON, *images.of_compose_file(), *own]:
        size = int(daemon.call("image", "inspect", "--format", "{{.Size}}", name))
        say(f"    {size / 1e6:4.0f} MB  {name}{' (stand-in)' if name in stand_ins else ''}")
    rest = time.monotonic() + _REST_SECONDS
    until(lambda: time.monotonic() > rest, 2 * _REST_SECONDS)
    names = [each.id for each in project.containers() if each.pid]
    told = daemon.call("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", *names)
    say("  Memory at rest:")
    for line in sorted(told.splitlines()):
        say(f"    {line.removeprefix(project.project + '-')}")


def _left(project: str) -> list[str]:
    """What is still there of a project: containers, volumes, networks."""
    label = f"label=com.docker.compose.project={project}"
    kinds = (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
    return [
        f"{kind[0]} {found}"
        for kind in kinds
        for found in daemon.call(*kind, "--quiet", "--filter", label).split()
    ]


if __name__ == "__main__":
    sys.exit(main())
