"""The parts of a stack, which processors they are on, and the images on their way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import simpy

from bench.simulation.processors import Part, Processors, Work
from pipeline.settings import Settings

# As in functions/image-classifier: what is fetched, looked at and stored together.
CHUNK_IMAGES = 8
# Calls of a backlog have so many images.
_LARGEST = Settings().batch_size
_MILLISECOND = 0.001


@dataclass(frozen=True)
class Costs:
    """What an image costs each part, in seconds of CPU.

    Attributes:
        call_provider, call_classifier: a call, beside its images.
    """

    nginx: float
    provider_upload: float
    image_upload: float
    minio_put: float
    kafka_upload: float
    minio_get: float
    minio_picture: float
    minio_result: float
    kafka: float
    provider: float
    consumer: float
    redis: float
    decode: float
    infer: float
    encode: float
    fetch: float
    store: float
    cache: float
    rest: float
    call_provider: float
    call_classifier: float

    @classmethod
    def of(
        cls, group: Mapping[str, float], shares: Mapping[str, float], calls: Mapping[str, float]
    ) -> Costs:
        """Take those of one model, measured with calls as large as they are in a backlog.

        What MinIO does is shared out as its own profile says.
        """
        names = {"get": "minio: get", "picture": "minio: picture", "result": "minio: result"}
        drain, whole = group["drain: minio"], sum(shares[name] for name in names.values())
        stored = {each: drain * shares[name] / whole for each, name in names.items()}
        milliseconds = {
            "nginx": group["upload: nginx"],
            "provider_upload": group["upload: provider"],
            "image_upload": group["upload: image-upload"],
            "minio_put": group["upload: minio"],
            "kafka_upload": group["upload: kafka"],
            "minio_get": stored["get"],
            "minio_picture": stored["picture"],
            "minio_result": stored["result"],
            "kafka": group["drain: kafka"],
            "provider": group["drain: provider"] - calls["provider"] / _LARGEST,
            "consumer": group["drain: image-process-consumer"],
            "redis": group["drain: redis"],
            "decode": group["classifier: decode"],
            "infer": group["classifier: infer"],
            "encode": group["classifier: encode"],
            "fetch": group["classifier: fetch"],
            "store": group["classifier: store"],
            "cache": group["classifier: cache"],
            "rest": group["classifier: the rest"] - calls["classifier"] / _LARGEST,
            "call_provider": calls["provider"],
            "call_classifier": calls["classifier"],
        }
        return cls(**{name: each * _MILLISECOND for name, each in milliseconds.items()})

    @property
    def classifier(self) -> float:
        """All that a replica of the classifier does for an image."""
        names = ("decode", "infer", "encode", "fetch", "store", "cache", "rest")
        return sum(float(getattr(self, name)) for name in names)

    def times(self, **factors: float) -> Costs:
        """Make some of them so many times as large."""
        values = {spec.name: float(getattr(self, spec.name)) for spec in fields(self)}
        return Costs(**{name: it * factors.get(name, 1.0) for name, it in values.items()})


@dataclass(frozen=True)
class Waits:
    """What is no part's CPU.

    Attributes:
        loader: seconds of CPU that the maker of the load needs for an upload.
        hand_over: from one process' end to the next one's beginning.
        put: MinIO's own, until an object that it was given lies on its drive.
        event: from its writing to its reader, Kafka's CPU left out.
        beside: the part of image-upload's CPU that needs no interpreter.
        start: a replica's, until it is ready.
    """

    loader: float
    hand_over: float
    put: float
    event: float
    beside: float
    start: float


@dataclass
class Image:
    """One image on its way; instants are None until they come."""

    number: int
    sent: float = 0.0
    accepted: float | None = None
    in_kafka: float | None = None
    cached: float | None = None
    finished: float | None = None


@dataclass(frozen=True)
class Layout:
    """Which parts there are, and what they run on.

    Attributes:
        cores: of the one machine that all share; 0: each part has processors of its own.
        classifier_core: the classifier has a core to itself, the others have the rest.
        store_cores, broker_cores, gateway_cores: of each of these, where parts are apart.
        upload_weight: the share of image-upload where processors are short.
        crowding: see Processors.
    """

    cores: int = 2
    classifier_core: bool = False
    gateways: int = 1
    providers: int = 1
    uploads: int = 1
    stores: int = 1
    brokers: int = 1
    consumers: int = 1
    replicas: int = 1
    store_cores: int = 16
    broker_cores: int = 8
    gateway_cores: int = 8
    upload_weight: float = 1.0
    crowding: float = 0.0


@dataclass
class Stack:
    """What all parts know of each other."""

    env: simpy.Environment
    costs: Costs
    waits: Waits
    layout: Layout
    images: list[Image] = field(default_factory=list)

    def __post_init__(self) -> None:
        layout, env = self.layout, self.env
        self._shared = None
        if layout.cores:
            self._shared = Processors(env, layout.cores - layout.classifier_core, layout.crowding)
        self._own = Processors(env, 1) if layout.classifier_core else None
        self.gateways = self._parts("nginx", layout.gateways, layout.gateway_cores)
        self.providers = self._parts("provider", layout.providers)
        self.stores = self._parts("minio", layout.stores, layout.store_cores)
        self.brokers = self._parts("kafka", layout.brokers, layout.broker_cores)
        self.redis = self.part("redis")

    def part(
        self, name: str, own_cores: int = 0, *, weight: float = 1.0, beside: float = 0.0
    ) -> Part:
        """Make a part, on the shared machine or on cores of its own.

        Args:
            own_cores: how many it has where it is apart; 0: it has one interpreter, and so one.
        """
        processors = self._shared
        if name.startswith("image-classifier") and self._own is not None:
            processors = self._own
        width = 1 if not own_cores else own_cores if processors is None else None
        return Part(self.env, name, processors, width=width, weight=weight, beside=beside)

    def _parts(self, name: str, count: int, own_cores: int = 0) -> list[Part]:
        return [self.part(f"{name}-{number}", own_cores) for number in range(count)]

    def new_image(self) -> Image:
        """Make an image that is sent now."""
        image = Image(len(self.images), self.env.now)
        self.images.append(image)
        return image

    def hop(self) -> simpy.Event:
        """Hand over to another process."""
        return self.env.timeout(self.waits.hand_over)

    def store(self, seconds: float, number: int, *, is_put: bool = True) -> Work:
        """Ask MinIO, and wait for its answer; which server is told by a number."""
        yield self.hop()
        yield from self.stores[number % len(self.stores)].compute(seconds)
        if is_put:
            yield self.env.timeout(self.waits.put)
        yield self.hop()
