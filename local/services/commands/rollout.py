"""What runs on the services: the model that is published, the functions that are deployed."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from local.machine import files
from local.services.progress import run
from local.services.settings import ROOT, Stack
from local.services.supervision import parts

# With two, one takes uploads while the other starts or ends.
_LEAST_UPLOAD_REPLICAS = 2


def model_id_file(stack: Stack) -> Path:
    return stack.state_dir / "model-id"


def model_dir_file(stack: Stack) -> Path:
    return stack.state_dir / "model-dir"


def published_file(stack: Stack) -> Path:
    """Names the model that `make up` itself made current last."""
    return stack.state_dir / "model-published"


def remembered(path: Path) -> str:
    """What an earlier `make up` wrote; empty when it wrote nothing."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def chosen_model(stack: Stack) -> str:
    """Tell which model `imagectl models use` made current since; empty when it did not.

    Raises:
        StepFailed: MinIO does not answer.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as answer:
        run(
            "Model: looking which is current",
            [sys.executable, "-m", "pipeline.models.bundles"],
            environment=_environment(stack),
            folder=ROOT,
            answer=answer,
        )
        answer.seek(0)
        current = answer.read().strip()
    return "" if current == remembered(published_file(stack)) else current


def publish_model(stack: Stack, model_dir: str) -> str:
    """Convert the model if need be, put it into MinIO and make it current.

    Returns:
        Its modelId.

    Raises:
        StepFailed: the folder holds no usable model.
    """
    model_id = _publish(stack, model_dir)
    files.write(published_file(stack), model_id)
    return model_id


def _publish(stack: Stack, model_dir: str) -> str:
    folder = ["--model-dir", model_dir] if model_dir else []
    with tempfile.TemporaryFile("w+", encoding="utf-8") as answer:
        run(
            f"Model: preparing {model_dir or 'the default one'}",
            [sys.executable, "-m", "models.prepare", *folder, "--publish"],
            environment=_environment(stack),
            folder=ROOT,
            answer=answer,
        )
        answer.seek(0)
        return answer.read().split()[-1]


def deploy(stack: Stack, model_id: str) -> None:
    """Build the functions of stack.yml, deploy them with this model, wait until they are ready.

    Raises:
        StepFailed: one could not be built, or did not become ready.
    """
    run(
        f"Functions: deploying with {model_id}",
        [
            *(sys.executable, "-m", "local.deploy", "--stack", "stack.yml"),
            *("--build-dir", stack.build_dir),
            *("--gateway", stack.addresses()["OPENFAAS_URL"]),
            *("--user-file", stack.secrets_dir / "basic-auth-user"),
            *("--password-file", stack.secrets_dir / "basic-auth-password"),
        ],
        environment={**_most_replicas(), **_environment(stack), "MODEL_ID": model_id},
        folder=ROOT,
    )
    files.write(model_id_file(stack), model_id)


def _most_replicas() -> dict[str, str]:
    """One replica keeps one core busy: more than there are cores win nothing.

    An upload keeps as many busy elsewhere, in gateway, provider and MinIO.
    """
    cores = len(os.sched_getaffinity(0))
    return {
        "CLASSIFIER_MAX_REPLICAS": str(cores),
        "UPLOAD_MAX_REPLICAS": str(max(_LEAST_UPLOAD_REPLICAS, cores // 2)),
    }


def _environment(stack: Stack) -> dict[str, str]:
    return {
        **parts.base_environment(),
        **stack.addresses(),
        "CACHE_DIR": str(stack.cache_dir),
        "ACCOUNT": "rollout",
    }
