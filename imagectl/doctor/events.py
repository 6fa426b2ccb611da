"""Whether Kafka has the topics of the code, copies of each, and work for every consumer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from confluent_kafka import KafkaException
from confluent_kafka.admin import ClusterMetadata, ConfigResource, TopicMetadata

from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import WARNING, Finding, Wrong, of
from pipeline.errors import Unavailable
from pipeline.kafka import topics
from pipeline.kafka.broker_probe import BrokerProbe
from pipeline.kafka.clients import AdminClient
from pipeline.kafka.topics import Topic
from pipeline.settings import Settings

_APPLY = "python -m pipeline.kafka.administration"


def examine(deployment: Deployment) -> list[Finding]:
    """Ask the brokers."""
    settings = deployment.settings
    servers = settings.kafka_bootstrap_servers
    client = AdminClient(settings)
    try:
        told = client.list_topics(timeout=settings.produce_timeout_seconds)
    except KafkaException as error:
        found = f"Kafka at {servers} does not answer: {error.args[0].str()}"
        change = "start it (`make up`), or let KAFKA_BOOTSTRAP_SERVERS name it"
        return [of("kafka", [Wrong(found, "an answer", change)], "")]
    there = {name: it for name, it in told.topics.items() if it.error is None}
    return [
        of("kafka", [], f"{servers} answers, {len(told.brokers)} brokers"),
        _topics(client, there, settings),
        _copies(told, there, settings),
        _consumers(there, settings),
    ]


def _topics(client: AdminClient, there: Mapping[str, TopicMetadata], settings: Settings) -> Finding:
    """All there are, with as many partitions and such a configuration as the code says."""
    known = [topic for topic in topics.TOPICS if topic.name in there]
    wrong = [
        Wrong(f"there is no topic {topic.name}", "every topic of the code", f"run `{_APPLY}`")
        for topic in topics.TOPICS
        if topic not in known
    ]
    for topic in known:
        found, wanted = len(there[topic.name].partitions), topic.partitions_by(settings)
        if found < wanted:
            change = f"run `{_APPLY}` while nothing waits, or lower KAFKA_PARTITIONS"
            wrong.append(Wrong(f"{topic.name} has {found} partitions", f"{wanted}", change))
    wrong += _configuration(client, known, settings)
    return of("topics", wrong, f"{len(known)}, as in the code")


def _configuration(client: AdminClient, known: list[Topic], settings: Settings) -> list[Wrong]:
    resources = {ConfigResource(ConfigResource.Type.TOPIC, topic.name): topic for topic in known}
    if not resources:
        return []
    asked = client.describe_configs(
        list(resources), request_timeout=settings.produce_timeout_seconds
    )
    wrong = []
    for resource, future in asked.items():
        topic = resources[resource]
        try:
            told = future.result(settings.produce_timeout_seconds)
        except (KafkaException, TimeoutError) as error:
            raise Unavailable(f"Kafka does not tell how {topic.name} is set: {error}") from error
        wrong += [
            Wrong(f"{topic.name}: {name}={told[name].value}", value, f"run `{_APPLY}`")
            for name, value in topic.config(settings).items()
            if name in told and told[name].value != value
        ]
    return wrong


def _copies(
    told: ClusterMetadata, there: Mapping[str, TopicMetadata], settings: Settings
) -> Finding:
    """As many brokers as copies, as many copies as are set, and all of them up to date."""
    brokers, factor = len(told.brokers), settings.kafka_replication_factor
    wrong = []
    if factor > brokers:
        found = f"KAFKA_REPLICATION_FACTOR={factor}, and {brokers} brokers"
        change = f"add brokers, or lower KAFKA_REPLICATION_FACTOR to {brokers}"
        wrong.append(Wrong(found, "a broker for each copy", change))
    ours = [topic.name for topic in topics.TOPICS if topic.name in there]
    for name in ours:
        partitions = there[name].partitions.values()
        few = sum(len(each.replicas) < factor for each in partitions)
        late = sum(len(each.isrs) < len(each.replicas) for each in partitions)
        if few and factor <= brokers:
            found = f"{few} partitions of {name} have fewer copies"
            wrong.append(Wrong(found, f"KAFKA_REPLICATION_FACTOR={factor}", f"run `{_APPLY}`"))
        if late:
            found = f"{late} partitions of {name} have copies that are behind"
            wrong.append(Wrong(found, "none", "see whether a broker is down", WARNING))
    return of("replication", wrong, f"{factor} of each partition, {brokers} brokers")


def _consumers(there: Mapping[str, TopicMetadata], settings: Settings) -> Finding:
    """Each group has a consumer, and no more of them than partitions."""
    groups = {
        "CONSUMER_GROUP": (settings.consumer_group, topics.READ),
        "ASYNC_CALL_GROUP": (settings.async_call_group, topics.CALLS_READ),
    }
    wrong, counted = [], []
    for variable, (group, read) in groups.items():
        members = BrokerProbe(replace(settings, consumer_group=group)).consumers()
        counted.append(f"{members} in {group}")
        if not members:
            found = f"nobody is in the group {group}"
            change = f"start {group}, or let {variable} name its group"
            wrong.append(Wrong(found, "a consumer", change))
        for name in (topic.name for topic in read if topic.name in there):
            partitions = len(there[name].partitions)
            if members > partitions:
                found = f"{members} consumers in {group}, {name} has {partitions} partitions"
                change = f"raise KAFKA_PARTITIONS to {members} and run `{_APPLY}`, or run fewer"
                wrong.append(Wrong(found, "as many partitions as consumers", change))
    return of("groups", wrong, ", ".join(counted))
