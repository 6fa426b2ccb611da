"""What faas-cli writes of stack.yml for who keeps a cluster's state in Git."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faas_cli import FaasCli
from tests.stack import ROOT

STACK: dict[str, Any] = yaml.safe_load((ROOT / "stack.yml").read_text())["functions"]
TOLD = {
    "FUNCTION_IMAGE_PREFIX": "registry.example/vision/",
    "FUNCTION_TAG": "0.1.0",
    "MINIO_ENDPOINT": "s3.example:443",
    "MINIO_TLS": "1",
    "QUOTA_IMAGES_A_DAY": "1000",
    "CLASSIFIER_MAX_REPLICAS": "5",
}

pytestmark = pytest.mark.timeout(1800)  # the first run on a machine builds faas-cli


def test_every_function_is_an_object_with_what_the_stack_says(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    faas_cli = FaasCli(ROOT, tmp_path / "home", "http://127.0.0.1:9")

    done = faas_cli("generate", "-f", "stack.yml", "--namespace", "openfaas-fn", stdin=b"", **TOLD)

    assert done.returncode == 0, done.stdout
    objects = {each["metadata"]["name"]: each for each in yaml.safe_load_all(done.stdout) if each}
    assert objects.keys() == STACK.keys()
    for name, each in objects.items():
        spec = each["spec"]
        assert (each["apiVersion"], each["kind"]) == ("openfaas.com/v1", "Function")
        assert each["metadata"]["namespace"] == "openfaas-fn"
        assert (spec["name"], spec["secrets"]) == (name, STACK[name]["secrets"])
        assert spec["image"] == f"registry.example/vision/{name}:0.1.0"
        assert spec["environment"].keys() == STACK[name]["environment"].keys()
        told = {**spec["environment"], **spec["labels"]}
        assert all(isinstance(text, str) and text for text in told.values())
        assert spec["environment"]["MINIO_ENDPOINT"] == "s3.example:443"
    assert objects["image-upload"]["spec"]["environment"]["QUOTA_IMAGES_A_DAY"] == "1000"
    assert objects["image-classifier"]["spec"]["labels"]["com.openfaas.scale.max"] == "5"
