"""Kafka as one KRaft node: its configuration and its commands."""

from __future__ import annotations

import base64
import hashlib
import uuid
from pathlib import Path

from local.machine import files
from local.services import credentials
from local.services.fetch import debian, kafka_jars
from local.services.settings import Stack

LOG4J2 = Path(__file__).with_name("kafka-log4j2.xml")
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=CLIENTS://127.0.0.1:{listen_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=CLIENTS://127.0.0.1:{port}
listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
inter.broker.listener.name=CLIENTS
log.dirs={data_dir}

# Who may do what: pipeline/access/accounts.py. Passwords of accounts are in Kafka, as SCRAM; the
# broker's own, and that of whoever puts the others there, are in a file, for PLAIN.
sasl.enabled.mechanisms=SCRAM-SHA-256,PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:broker;User:setup

# Topics are code: a misspelt one is an error, not a new topic.
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0

# Events are under 4 KB; topics set their own retention, these bound what has none.
message.max.bytes=1048576
log.segment.bytes=67108864
log.retention.hours=168

# After kill -9 the broker answers again in 7.5 s instead of 13 (BROKER_BACK_SECONDS, with which
# others reckon); each beat costs CPU at rest.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=1000

# No empty record twice a second: nobody waits for one where there is one node.
metadata.max.idle.interval.ms=0

# One node on a small machine: fewer threads, and 4 MB instead of 128 for the log cleaner.
num.network.threads=2
num.io.threads=2
background.threads=4
group.coordinator.threads=1
share.coordinator.threads=1
log.cleaner.dedupe.buffer.size=4194304
"""


def prepare(stack: Stack) -> None:
    """Write what the broker reads at its start."""
    data_dir = stack.data_dir("kafka")
    data_dir.mkdir(parents=True, exist_ok=True)
    text = _PROPERTIES.format(
        data_dir=data_dir,
        port=stack.ports.kafka,
        listen_port=stack.listening.kafka,
        controller_port=stack.listening.kafka_controller,
    )
    files.write(_properties(stack), text)


def is_formatted(stack: Stack) -> bool:
    return (stack.data_dir("kafka") / "meta.properties").exists()


def format_command(stack: Stack) -> list[str]:
    """Give the empty data folder a cluster id."""
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    arguments = ["format", "--ignore-formatted", f"--cluster-id={cluster_id}"]
    return [*_java(stack), "kafka.tools.StorageTool", *arguments, "-c", str(_properties(stack))]


def command(stack: Stack) -> list[str]:
    return [*_java(stack), "kafka.Kafka", str(_properties(stack))]


def class_archive(stack: Stack) -> Path:
    """Where the classes are kept that this JVM has made of these jars.

    Raises:
        StepFailed: Java is not installed.
    """
    jars = kafka_jars.folder(stack)
    # The JVM itself looks at size and time of every jar, and passes over what is another's.
    stats = [(each.name, each.stat()) for each in sorted(jars.glob("*.jar"))]
    told = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats]
    jvm = (debian.java().parents[1] / "release").read_text(encoding="utf-8")
    made_by = hashlib.sha256("\n".join([jvm, *told]).encode()).hexdigest()[:12]
    return jars.with_name(f"classes-{jars.name}-{made_by}.jsa")


def _java(stack: Stack) -> list[str]:
    # The first compiler tier alone halves the CPU that a start costs, and so do kept classes.
    # A killed JVM would leave its performance data in the folder for temporary files.
    # What it keeps needs 42 MB: it collects garbage before it takes more than 96, and these it
    # takes at once, not one by one for hours.
    heap = ("-Xms96m", "-Xmn40m", "-Xmx512m", "-XX:MinHeapFreeRatio=10", "-XX:+AlwaysPreTouch")
    options = (*heap, "-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:TieredStopAtLevel=1")
    log4j2 = f"-Dlog4j2.configurationFile={LOG4J2}"
    logins = f"-Djava.security.auth.login.config={stack.secrets_dir / credentials.KAFKA_LOGINS}"
    archive = class_archive(stack)
    kept = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
    classes = (*kept, "-cp", f"{kafka_jars.folder(stack)}/*")
    return [str(debian.java()), *options, log4j2, logins, *classes]


def _properties(stack: Stack) -> Path:
    return stack.state_dir / "kafka.properties"
