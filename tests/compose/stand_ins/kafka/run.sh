#!/bin/bash
# As the image does: KAFKA_LOG_DIRS becomes log.dirs, an empty data folder is formatted, Kafka runs.
set -euo pipefail
properties=/opt/kafka/config/server.properties
for name in $(compgen -e KAFKA_); do
    case $name in KAFKA_HEAP_OPTS | KAFKA_JVM_PERFORMANCE_OPTS | KAFKA_OPTS | KAFKA_LOG4J_OPTS) continue ;; esac
    key=${name#KAFKA_}
    key=${key//_/.}
    printf '%s=%s\n' "${key,,}" "${!name}"
done > "$properties"
# Options are words of one variable, as for Kafka's own scripts.
# shellcheck disable=SC2206
options=(${KAFKA_HEAP_OPTS:-} ${KAFKA_JVM_PERFORMANCE_OPTS:-} ${KAFKA_OPTS:-})
java=(java "${options[@]}" -Dlog4j2.configurationFile=/etc/kafka/docker/kafka-log4j2.xml -cp '/opt/kafka/libs/*')
"${java[@]}" kafka.tools.StorageTool format --ignore-formatted --cluster-id="$CLUSTER_ID" -c "$properties"
exec "${java[@]}" kafka.Kafka "$properties"
