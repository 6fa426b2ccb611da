"""Values that are nonsense are refused, and the message names them."""

from __future__ import annotations

import pytest

from pipeline.settings import Settings
from tests.helm import CHART, template

REFUSED = {
    "settings.TOPK=5": "TOPK",
    "settings.TOP_K=0": "/settings/TOP_K",
    "settings.TOP_K=many": "/settings/TOP_K",
    "settings.KAFKA_PARTITIONS=1000": "/settings/KAFKA_PARTITIONS",
    "settings.LOG_LEVEL=LOUD": "/settings/LOG_LEVEL",
    "settings.KEY_RATE=50": "/settings/KEY_RATE",
    "settings.CORS_ORIGINS=*": "/settings/CORS_ORIGINS",
    "settings.ASYNC_CALLBACK_URLS=file:///etc": "/settings/ASYNC_CALLBACK_URLS",
    "settings.MINIO_ENDPOINT=elsewhere:9000": "MINIO_ENDPOINT",
    "gateway.replicas=0": "/gateway/replicas",
    "gateway.replica=2": "replica",
    "gateway.serviceType=Public": "/gateway/serviceType",
    "gateway.autoscaling.kind=VPA": "/gateway/autoscaling/kind",
    "gateway.tls.secret=certificate": "/gateway/tls",
    "gateway.resources.limits.memory=lots": "/gateway/resources/limits/memory",
    "gateway.resources.limits=null": "limits",
    "gateway.spoolSize=0": "/gateway/spoolSize",
    "ingress.enabled=true": "/ingress/hosts",
    "kafka.securityProtocol=TLS": "/kafka/securityProtocol",
    "kafka.bootstrapServers=kafka": "/kafka/bootstrapServers",
    "s3.endpoint=https://s3.example": "/s3/endpoint",
    "redis.url=redis.example:6379": "/redis/url",
    "openfaas.url=https://gateway.openfaas:8080": "/openfaas/url",
    "images.tag=latest": "/images/tag",
    "demo.images.kafka=apache/kafka": "/demo/images/kafka",
    "demo.images.redis=redis:latest": "/demo/images/redis",
    "keys.persistence.accessMode=ReadOnlyMany": "/keys/persistence/accessMode",
    "reconciler.everySeconds=0": "/reconciler/everySeconds",
    "servicesCA=ca.pem": "/servicesCA",
    "networkPolicy.clients[0].cidr=10.0.0.0/8": "cidr",
    "functions.deploy.registry=UPPER": "/functions/deploy/registry",
    "postgres.enabled=true": "postgres",
}
MISSING = {
    "s3.endpoint": "s3.endpoint is empty: HOST:PORT of an S3, or demo.enabled",
    "kafka.bootstrapServers": "kafka.bootstrapServers is empty: HOST:PORT,… of a Kafka",
    "redis.url": "redis.url is empty: redis://HOST:PORT/0 or rediss://…",
}


@pytest.mark.parametrize("value", REFUSED)
def test_nonsense_is_refused_by_its_name(value: str) -> None:
    done = template("--values", CHART / "ci" / "demo.yaml", "--set", value)

    assert done.returncode != 0
    assert "schema" in done.stderr
    assert REFUSED[value].replace("/", ".").strip(".") in done.stderr.replace("/", ".")


@pytest.mark.parametrize("value", MISSING)
def test_an_address_that_is_missing_is_asked_for(value: str) -> None:
    done = template("--values", CHART / "ci" / "external.yaml", "--set", f"{value}=")

    assert done.returncode != 0
    assert MISSING[value] in done.stderr


def test_without_a_word_the_chart_says_what_it_needs() -> None:
    done = template()

    assert done.returncode != 0
    assert "demo.enabled" in done.stderr


def test_a_consumer_without_a_partition_is_refused() -> None:
    most = Settings().kafka_partitions
    demo = ("--values", CHART / "ci" / "demo.yaml")

    enough = template(*demo, "--set", f"imageProcessConsumer.replicas={most}")
    too_many = template(*demo, "--set", f"imageProcessConsumer.replicas={most + 1}")
    more = ("--set", f"settings.KAFKA_PARTITIONS={most + 1}")
    grown = template(*demo, "--set", f"imageProcessConsumer.replicas={most + 1}", *more)

    assert (enough.returncode, grown.returncode) == (0, 0)
    assert f"imageProcessConsumer.replicas is {most + 1}" in too_many.stderr
    assert f"settings.KAFKA_PARTITIONS {most}: each needs a partition" in too_many.stderr
