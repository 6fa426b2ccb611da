"""`make up`: from nothing, or from whatever was left, to a stack that has classified a picture."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.services import (
    credentials,
    down,
    files,
    kafka_jars,
    minio_build,
    parts,
    ports,
    rollout,
    summary,
    supervisor,
)
from local.services.processes import Process
from local.services.progress import StepFailed, say
from local.services.settings import ROOT, Stack
from local.services.watch import Watch, failure

_FUNCTIONS_NEED = ("topics", "redis", "provider")


def up(stack: Stack, model_dir: str, only: list[str]) -> int:
    """Bring the stack up, or say that it is; with a model directory, change to that model.

    Args:
        model_dir: empty for the remembered one.
        only: parts to start, with those they need, and nothing else; empty for a whole stack.

    Raises:
        StepFailed: something could not be done. What this call started is stopped again.
    """
    if model_dir:
        model_dir = str(_existing(model_dir))
    try:
        with files.lock(stack.state_dir / "up.lock", wait=False):
            return _up(stack, model_dir, only)
    except files.Busy as busy:
        raise StepFailed(f"`make up` is at work on this stack already: process {busy}") from busy


def fetch(stack: Stack) -> None:
    """Have what the services need in the cache: Kafka's jars and MinIO's binary.

    Raises:
        StepFailed: one could not be fetched or built.
    """
    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(job, stack) for job in (kafka_jars.fetch, minio_build.build)]
        for job in jobs:
            job.result()


def _up(stack: Stack, model_dir: str, only: list[str]) -> int:
    running = supervisor.running(stack)
    complete = running is not None and _is_complete(stack, running)
    if complete and not only and not model_dir:
        if switched_to := rollout.chosen_model(stack):
            files.write(rollout.model_id_file(stack), switched_to)
        say(f"The stack is running already.\n{summary.text(stack)}")
        return 0
    try:
        if running is None:
            _start(stack, only)
        _finish(stack, model_dir, only, complete=complete)
    except BaseException:
        if not complete:
            down.stop(stack)
        raise
    return 0


def _start(stack: Stack, only: list[str]) -> None:
    down.end_leftovers(stack)
    fetch(stack)
    credentials.make(stack)
    chosen = parts.chosen(stack, only)
    if taken := ports.taken({name: port for part in chosen for name, port in part.ports.items()}):
        raise StepFailed("\n".join([*taken, "End it, or choose another: `make up <NAME>_PORT=…`."]))
    _start_supervisor(stack, only)


def _start_supervisor(stack: Stack, only: list[str]) -> None:
    stack.logs_dir.mkdir(parents=True, exist_ok=True)
    supervisor.state_file(stack).unlink(missing_ok=True)
    folders = {
        "STATE_DIR": str(stack.state_dir),
        "CACHE_DIR": str(stack.cache_dir),
        "BUILD_DIR": str(stack.build_dir),
    }
    with (stack.logs_dir / f"{supervisor.NAME}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.services.supervisor", *only],
            cwd=ROOT,
            env={**parts.base_environment(), **folders},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while not supervisor.states(stack):
        if process.poll() is not None:
            raise failure(stack, supervisor.NAME, "could not start")


def _finish(stack: Stack, model_dir: str, only: list[str], *, complete: bool) -> None:
    names = [part.name for part in parts.chosen(stack, only)]
    watch = Watch(stack)
    if only:
        watch.wait(names)
        return
    watch.wait(["buckets"])
    chosen = model_dir or rollout.remembered(rollout.model_dir_file(stack))
    switched_to = rollout.chosen_model(stack)
    served = switched_to or rollout.remembered(rollout.model_id_file(stack))
    model_id = "" if model_dir else switched_to
    model_id = model_id or rollout.publish_model(stack, chosen)
    unchanged = complete and model_id == served
    if not unchanged:
        watch.wait(list(_FUNCTIONS_NEED))
        rollout.deploy(stack, model_id)
        watch.wait(names)
    files.write(rollout.model_dir_file(stack), chosen)
    if unchanged:
        say(f"The stack is running already, with this model.\n{summary.text(stack)}")
        return
    say(summary.text(stack, rollout.classify(stack)))
    if running := supervisor.running(stack):
        files.write(_complete_file(stack), _identity(running))


def _existing(model_dir: str) -> Path:
    folder = Path(model_dir).resolve()
    if not folder.is_dir():
        raise StepFailed(f"MODEL_DIR={model_dir}: there is no folder {folder}")
    return folder


def _complete_file(stack: Stack) -> Path:
    """Names the supervisor under which `make up` came to its end."""
    return stack.state_dir / "complete"


def _is_complete(stack: Stack, running: Process) -> bool:
    return rollout.remembered(_complete_file(stack)) == _identity(running)


def _identity(process: Process) -> str:
    return f"{process.pid} {process.start_time}"
