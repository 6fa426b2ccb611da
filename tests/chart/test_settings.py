"""Every setting of docs/settings.md is a value of the chart, or the chart's own to say."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

import pytest
import yaml

from pipeline.settings import Settings
from tests.helm import CHART, rendered
from tests.stack import ROOT

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
TAKEN: dict[str, Any] = SCHEMA["properties"]["settings"]["properties"]
# Settings that another value of the chart says, or that follow from where the chart puts things.
SAID_BY_OTHERS = {
    "MINIO_ENDPOINT": "s3.endpoint",
    "MINIO_TLS": "s3.tls",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka.bootstrapServers",
    "KAFKA_SECURITY_PROTOCOL": "kafka.securityProtocol",
    "REDIS_URL": "redis.url",
    "OPENFAAS_URL": "openfaas.url",
    "OPENFAAS_METRICS_URL": "openfaas.metricsUrl",
    "SERVICES_CA_FILE": "servicesCA",
    "OIDC_CA_FILE": "tokenVerifier.ca",
    "TLS": "gateway.tls.secret",
    "TLS_CERTIFICATE": "gateway.tls.secret",
    "TLS_KEY": "gateway.tls.secret",
    "TLS_NAMES": "gateway.tls.names",
    "RECONCILE_EVERY_SECONDS": "reconciler.everySeconds",
    "AUTOSCALE": "autoscaler.enabled",
    "CLASSIFIER_MAX_REPLICAS": "functions.deploy.classifierMaxReplicas",
    "UPLOAD_MAX_REPLICAS": "functions.deploy.uploadMaxReplicas",
    "CLASSIFIER_CPU": "functions.deploy.cpu.classifier",
    "UPLOAD_CPU": "functions.deploy.cpu.upload",
    "RESULTS_CPU": "functions.deploy.cpu.results",
    "MODEL_DIR": "model.existingClaim",
}
# Of one machine's processes and folders, of the provider that a cluster has none of, or of tests.
NOT_HERE = {
    "SECRETS_DIR", "ACCOUNT", "LISTEN_HOST", "INFERENCE_LOG", "CONSUMER_MEMBER_FILE",
    "STATE_DIR", "CACHE_DIR", "BUILD_DIR", "GATEWAY_HOST", "ENCRYPT_AT_REST",
    "PROVIDER_LAYER_BYTES", "PROVIDER_LAYER_SECONDS", "PROVIDER_ROLLOUT_SECONDS", "ISOLATE",
    "FUNCTION_USERS",
}  # fmt: skip


def documented() -> set[str]:
    """The variables in the tables of docs/settings.md, ports of one machine left out."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    names = {
        name
        for line in text.splitlines()
        if (row := re.match(r"\| ((?:`[A-Z][A-Z_]+`(?:, )?)+) \|", line))
        for name in re.findall(r"`([A-Z_]+)`", row[1])
    }
    return {name for name in names if not name.endswith("_PORT")}


def test_every_setting_is_reachable_through_values() -> None:
    assert documented() - SAID_BY_OTHERS.keys() - NOT_HERE == TAKEN.keys()


def test_what_others_say_is_a_value() -> None:
    for path in SAID_BY_OTHERS.values():
        found: Any = VALUES
        for name in path.split("."):
            found = found[name]


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_a_setting_may_be_what_the_code_takes(field: Any) -> None:
    taken = TAKEN.get(field.name.upper())
    if taken is None:
        assert field.name.upper() in SAID_BY_OTHERS.keys() | NOT_HERE or "port" in field.name
        return
    lowest, highest = field.metadata["range"]
    words = {int: "integer", float: "number", str: "string"}

    assert taken.get("type", "string") == words[type(field.default)]
    assert (taken.get("minimum"), taken.get("maximum")) == (lowest, highest)


def test_values_and_schema_name_the_same() -> None:
    def check(values: Any, schema: dict[str, Any], path: str) -> None:
        schema = (
            SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        )
        if schema.get("additionalProperties") is not False or path == "settings":
            return
        assert values.keys() == schema["properties"].keys() - {"global"}, path
        for name, value in values.items():
            check(value, schema["properties"][name], name)

    check(VALUES, SCHEMA, "")


def test_settings_are_told_as_they_were_written() -> None:
    (told,) = (
        each["data"]
        for each in rendered("external")
        if each["kind"] == "ConfigMap" and each["metadata"]["name"].endswith("-settings")
    )

    assert told["MAX_BACKLOG_IMAGES"] == "2000000"
    assert told["TOP_K"] == "3"
    assert told["MINIO_ENDPOINT"] == "s3.storage.example:443"
    assert all(isinstance(text, str) for text in told.values())


def test_functions_are_deployed_with_the_settings() -> None:
    (job,) = (
        each for each in rendered("external")
        if each["kind"] == "Job" and "-functions-" in each["metadata"]["name"]
    )  # fmt: skip
    script = job["spec"]["template"]["spec"]["containers"][0]["command"][-1]

    assert "--env 'TOP_K=3'" in script
    assert "--env 'MAX_BACKLOG_IMAGES=2000000'" in script
    assert "--env KAFKA_SECURITY_PROTOCOL=SASL_SSL" in script
    assert "--secret services-ca" in script
