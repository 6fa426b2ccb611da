"""What a run leaves behind, in a form small enough to hold for 100,000 images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Tenant and image id; tenant, image id and model id.
Image = tuple[str, str]
Key = tuple[str, str, str]
# Name and SHA-256 of each of a model's files, sorted.
Digests = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Result:
    """A stored result: what it says, and how often its object was written."""

    image_id: str
    model_id: str
    label: str
    digests: Digests
    versions: int = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """A stored failure of one job."""

    tenant: str
    image_id: str
    reason: str
    versions: int = 1


@dataclass(frozen=True, slots=True)
class Classified:
    """A result event of one job: the first one, and how many there are.

    Attributes:
        at: when it was handed to the producer, seconds since 1970.
        partition: of image-results; an image's is the same number on all topics it is on.
    """

    tenant: str
    image_id: str
    model_id: str
    label: str
    at: float
    partition: int = 0
    times: int = 1


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter of one job.

    Attributes:
        is_whole: it holds the original event, a reason, the attempts and where it was read.
    """

    reason: str
    attempts: int
    is_whole: bool
    times: int = 1


@dataclass(frozen=True, slots=True)
class Inference:
    """One run of the model, as the classifier noted it before it began.

    Attributes:
        at: seconds since 1970.
        pid: of the process, which may not have lived to its end.
    """

    at: float
    pid: int
    key: Key


@dataclass
class Evidence:
    """What is in buckets and topics once nothing is left to do.

    Attributes:
        inputs: stored images.
        others: images that were sent by somebody else, as `make up` sends one to try the stack.
        results: by tenant, image and model.
        failures, letters, classified: by job.
        uploaded: what each job on image-uploads is about.
        replayed: jobs whose dead letter was replayed; they may have failed and be completed.
        unreadable_letters: dead letters of messages that are no event, by "topic/partition/offset".
        inferences: one for each run of the model.
        committed, ends: the group's position and the end of each partition, by (topic, number).
        conservation: what the product says: accepted, completed, failed, in flight; None: unasked.
    """

    inputs: set[Image] = field(default_factory=set)
    others: set[Image] = field(default_factory=set)
    processed: set[Image] = field(default_factory=set)
    results: dict[Key, Result] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    uploaded: dict[str, Key] = field(default_factory=dict)
    classified: dict[str, Classified] = field(default_factory=dict)
    letters: dict[str, Letter] = field(default_factory=dict)
    unreadable_letters: dict[str, Letter] = field(default_factory=dict)
    retries: int = 0
    replayed: set[str] = field(default_factory=set)
    inferences: list[Inference] = field(default_factory=list)
    committed: dict[tuple[str, int], int] = field(default_factory=dict)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    conservation: Mapping[str, int] | None = None
