"""`make up`: from nothing, or from whatever was left, to a stack that has classified a picture."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.machine import files, ports
from local.machine.processes import Process
from local.services import credentials, tls_settings
from local.services.certificates import keeper
from local.services.commands import down, example, kafka_classes, rollout, summary, turns
from local.services.fetch import kafka_jars, minio_build
from local.services.isolation import deciding
from local.services.progress import StepFailed, say
from local.services.settings import ROOT, Stack
from local.services.supervision import parts, supervisor
from local.services.supervision.watch import Watch, failure
from pipeline.timeouts import chain

_POLL_SECONDS = 0.02
_FUNCTIONS_NEED = ("topics", "redis", "provider")


def up(stack: Stack, model_dir: str, only: list[str]) -> int:
    """Bring the stack up, or say that it is; with a model directory, change to that model.

    Args:
        model_dir: empty for the remembered one.
        only: parts to start, with those they need, and nothing else; empty for a whole stack.

    Raises:
        StepFailed: something could not be done. What this call started is stopped again.
    """
    _check_timeouts()
    _check_tls(stack)
    _check_issuer(stack)
    if model_dir:
        model_dir = str(_existing(model_dir))
    with turns.starting(stack):
        return _up(stack, model_dir, only)


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
    if running and not supervisor.is_stopping(stack):
        _check_same_tls(stack)
    if running and supervisor.is_stopping(stack):  # whoever told it to
        down.stop(stack)
        running = None
    complete = running is not None and is_complete(stack, running)
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
    if credentials.had_one_login_for_all(stack):
        say(
            "  Accounts: MinIO's root was every process' login in this stack. Each process has an"
            " account of its own from now on, in MinIO, Kafka and Redis; root keeps its password."
        )
    credentials.make(stack)
    tls_settings.remember(stack.tls, stack.state_dir)
    chosen = parts.chosen(stack, only)
    if taken := ports.taken({name: port for part in chosen for name, port in part.ports.items()}):
        raise StepFailed("\n".join([*taken, "End it, or choose another: `make up <NAME>_PORT=…`."]))
    if any(part.name == "kafka" for part in chosen):
        kafka_classes.prepare(stack)
    deciding.prepare(stack)
    _start_supervisor(stack, only)


def _start_supervisor(stack: Stack, only: list[str]) -> None:
    stack.logs_dir.mkdir(parents=True, exist_ok=True)
    supervisor.state_file(stack).unlink(missing_ok=True)
    with (stack.logs_dir / f"{supervisor.NAME}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.services.supervision.supervisor", *only],
            cwd=ROOT,
            env={**parts.base_environment(), **stack.folders()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while not supervisor.states(stack):
        if process.poll() is not None:
            raise failure(stack, supervisor.NAME, "could not start")
        time.sleep(_POLL_SECONDS)


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
    say(summary.text(stack, example.classify(stack)))
    if running := supervisor.running(stack):
        files.write(_complete_file(stack), _identity(running))


def _check_issuer(stack: Stack) -> None:
    """Say what is wrong with an issuer of bearer tokens before anything is started."""
    if not stack.oidc:
        return
    command = [sys.executable, "-m", "oidc", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise StepFailed(done.stderr.strip())


def _check_timeouts() -> None:
    try:
        chain.check(os.environ)
    except ValueError as error:
        raise StepFailed(f"The timeouts do not fit together: {error}.") from error


def _check_tls(stack: Stack) -> None:
    """Have what TLS needs before anything starts."""
    if stack.tls.is_on:
        keeper.refresh(stack)


def _check_same_tls(stack: Stack) -> None:
    """What runs goes on as it was started: it is told apart from what is asked for."""
    if stack.tls.written() != tls_settings.started_with(stack.state_dir):
        raise StepFailed(
            "The stack runs with other settings of TLS: `make down`, then the same `make up` again."
        )


def _existing(model_dir: str) -> Path:
    folder = Path(model_dir).resolve()
    if not folder.is_dir():
        raise StepFailed(f"MODEL_DIR={model_dir}: there is no folder {folder}")
    return folder


def _complete_file(stack: Stack) -> Path:
    """Names the supervisor under which `make up` came to its end."""
    return stack.state_dir / "complete"


def is_complete(stack: Stack, running: Process) -> bool:
    """Whether a `make up` came to its end under this supervisor."""
    return rollout.remembered(_complete_file(stack)) == _identity(running)


def _identity(process: Process) -> str:
    return f"{process.pid} {process.start_time}"
