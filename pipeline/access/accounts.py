"""Who may do what: one account for each process, with the rights that it needs and no other.

What MinIO, Kafka and Redis are told follows from this table; docs/security.md shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

MINIO, KAFKA, REDIS = "minio", "kafka", "redis"
SERVICES = (MINIO, KAFKA, REDIS)

# May do everything, and is used by set-up alone: MinIO's root, Kafka's super user, Redis' admin.
SETUP = "setup"
# Whoever runs imagectl.
OPERATOR = "imagectl"
# A person who looks around, in MinIO's console and in kafka-ui.
VIEWER = "viewer"

_INPUTS = "input-images"
_PROCESSED = "processed-images"
_RESULTS = "classification-results"
_MODELS = "models"
_CALLS = "function-calls"
_KEYS = "idempotency-keys"
_TENANTS = "tenants"
_BUCKETS = (_INPUTS, _PROCESSED, _RESULTS, _MODELS, _CALLS, _KEYS, _TENANTS)


@dataclass(frozen=True)
class Account:
    """One process, and its rights: a verb and what it may be done to.

    Attributes:
        minio: `get`, `put`, `list` BUCKET/PREFIX*, `list` BUCKET; `inspect` BUCKET: read what it
            allows to others. Nobody may delete.
        kafka: `read`, `write`, `follow` TOPIC: follow is to ask for its partitions and offsets;
            `grow` TOPIC is to add partitions, `inspect` TOPIC to read its configuration; `join`,
            `follow` `group` NAME: see `GROUPS`, `*` is any; `follow` `cluster`.
        redis: `get`, `put`, `remove` PATTERN of keys; `count` in them, `look` at what was
            counted; `ping` is nothing else.
    """

    name: str
    minio: tuple[str, ...] = ()
    kafka: tuple[str, ...] = ()
    redis: tuple[str, ...] = ()

    def rights(self, service: str) -> tuple[str, ...]:
        """What it may do in one service; nothing: it has no login there."""
        found: dict[str, tuple[str, ...]] = {
            MINIO: self.minio,
            KAFKA: self.kafka,
            REDIS: self.redis,
        }
        return found[service]


# Groups by the settings that name them.
GROUPS = {"images": "consumer_group", "calls": "async_call_group"}

_LANES = (
    "image-uploads", "image-uploads-bulk-1", "image-uploads-bulk-2", "image-uploads-bulk-3",
    "image-uploads-bulk-4",
)  # fmt: skip
_READ = (*_LANES, "image-uploads-retry")
_FOLLOW_IMAGES = (*(f"follow {topic}" for topic in _READ), "follow group images")
_TOPICS = (*_READ, "image-results", "image-failures", "function-calls", "function-calls-retry")

ACCOUNTS = (
    Account(
        "image-upload",
        minio=(
            f"put {_INPUTS}/*",
            # What a failed job is tried anew of.
            f"list {_INPUTS}",
            f"get {_INPUTS}/*",
            f"get {_KEYS}/*",
            f"put {_KEYS}/*",
            f"get {_RESULTS}/*",
            f"put {_RESULTS}/failures/*",
            f"put {_RESULTS}/cancelled/*",
            f"list {_RESULTS}/cancelled/*",
            f"get {_MODELS}/current",
            f"get {_TENANTS}/*",
        ),
        kafka=(
            *(f"write {topic}" for topic in _LANES),
            "write image-failures",
            *_FOLLOW_IMAGES,
        ),
        redis=("get result:*", "get mark:*", "put mark:*", "remove mark:*", "count quota:*"),
    ),
    Account(
        "image-classifier",
        minio=(
            f"get {_INPUTS}/*",
            f"put {_PROCESSED}/*",
            f"get {_RESULTS}/*",
            f"put {_RESULTS}/*",
            f"get {_MODELS}/*",
        ),
        redis=("get result:*", "put result:*"),
    ),
    Account(
        "image-results",
        minio=(
            f"list {_INPUTS}",
            f"get {_RESULTS}/*",
            f"list {_RESULTS}/cancelled/*",
            f"get {_MODELS}/current",
            f"list {_MODELS}",
        ),
        kafka=("follow group images",),
        redis=("get result:*", "put result:*"),
    ),
    Account(
        "image-process-consumer",
        minio=(f"get {_RESULTS}/failures/*", f"put {_RESULTS}/failures/*"),
        kafka=(
            *(f"read {topic}" for topic in _READ),
            "join group images",
            "write image-uploads-retry",
            "write image-results",
            "write image-failures",
        ),
    ),
    Account(
        "async-call-consumer",
        minio=(f"get {_CALLS}/*", f"put {_CALLS}/*"),
        kafka=(
            "read function-calls",
            "read function-calls-retry",
            "join group calls",
            "write function-calls",
            "write function-calls-retry",
            "write image-failures",
        ),
    ),
    Account("classifier-autoscaler", kafka=_FOLLOW_IMAGES),
    Account(
        "reconciler",
        # Of inputs it reads what they were stored with; that right is the one to read them.
        minio=(
            f"list {_INPUTS}",
            f"get {_INPUTS}/*",
            f"list {_RESULTS}",
            # Which of them are to be tried anew.
            f"get {_RESULTS}/failures/*",
            f"get {_MODELS}/current",
        ),
        kafka=(
            *(f"read {topic}" for topic in _READ),
            "follow group images",
            "follow group calls",
            *(f"write {topic}" for topic in _LANES),
            *(f"grow {topic}" for topic in _TOPICS),
        ),
    ),
    Account(
        OPERATOR,
        minio=(
            *(f"{verb} {bucket}" for verb in ("list", "inspect") for bucket in _BUCKETS),
            f"get {_INPUTS}/*",
            f"get {_RESULTS}/*",
            f"put {_RESULTS}/failures/*",
            f"get {_MODELS}/*",
            f"put {_MODELS}/*",
            f"get {_TENANTS}/*",
            f"put {_TENANTS}/*",
        ),
        kafka=(
            *(f"{verb} {topic}" for verb in ("read", "inspect") for topic in _TOPICS),
            *(f"write {topic}" for topic in _READ),
            "write image-failures",
            "write function-calls",
            "join group images",
            "join group calls",
            "follow group *",
            "follow cluster",
        ),
        redis=("look quota:*", "ping"),
    ),
    # Publishes the model when a stack is started.
    Account("rollout", minio=(f"get {_MODELS}/*", f"put {_MODELS}/*", f"list {_MODELS}")),
    Account(
        VIEWER,
        minio=tuple(
            f"{verb} {bucket}{rest}"
            for bucket in _BUCKETS
            for verb, rest in (("list", ""), ("get", "/*"))
        ),
        kafka=(
            *(f"read {topic}" for topic in _TOPICS),
            "follow group images",
            "follow group calls",
            "follow cluster",
        ),
    ),
)


def having(service: str) -> list[Account]:
    """The accounts that have a login of their own at a service, set-up's left out."""
    return [account for account in ACCOUNTS if account.rights(service)]


def secret_name(service: str, account: str) -> str:
    """The file of an account's login at a service."""
    return f"{service}-{account}"
