"""How long is waited where nobody says otherwise, in seconds."""

from __future__ import annotations

# What is given to the work within a call where nothing else is said; half of the call at most.
CACHE_SECONDS = 0.25
STORE_SECONDS = 1.5
PRODUCE_SECONDS = 1.5
DECODE_SECONDS = 2.0
PREFER_WAIT_SECONDS = 30
RETRY_BASE_SECONDS = 1.0
RETRY_MAX_SECONDS = 60.0
CALL_WAIT_SECONDS = 3600.0
# Beside its first inference: a process is started and its model fetched.
START_SECONDS = 60
# Whatever of ours is told to end is killed after so long: by the supervisor, by Docker, and by
# Kubernetes, whose default it is.
KILL_SECONDS = 30.0
# How long a consumer waits for the work in its hands when it is told to end; then it commits.
DRAIN_SECONDS = 25.0
SHUTDOWN_GRACE_SECONDS = 5.0
# A broker that was killed answers again after so long, as local/services/servers/kafka.py has it.
BROKER_BACK_SECONDS = 7.5
# How long the partitions of a killed consumer wait for another, where it is not expelled: twice
# what a broker is away. It counts from the last heartbeat before the broker was killed, and one
# that ends just before it is back costs as much again.
SESSION_SECONDS = 15.0
HEARTBEAT_SECONDS = 1.0
# For so long nothing may come of a client of Kafka before another takes its place.
CLIENT_STUCK_SECONDS = 8.0
# Kafka's own default, which is enough for calls of up to some minutes.
LEAST_POLL_SECONDS = 300.0
# How long the provider waits at least until the queue has accepted an asynchronous call.
LEAST_QUEUE_SECONDS = 15.0
# Of the topics that somebody waits for.
RETENTION_DAYS = 7
# A wait between two attempts is longer by chance.
LARGEST_JITTER = 1.2
