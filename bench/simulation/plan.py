"""What a cluster for so many images a second consists of: by the table of costs alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.simulation import costs
from bench.simulation.stack import Layout
from bench.simulation.tables import Tables
from pipeline.kafka import topics
from pipeline.settings import Settings

# An image is stored as what was sent, what the model saw, and the result.
OBJECTS = ("image", "picture", "result")

_SETTINGS = Settings()
# Of two, one may be lost or renewed; of three brokers, one and its copies.
_LEAST, _LEAST_BROKERS = 2, 3
_BROKER_CORES = 8
# Calls at once that keep a replica busy: one is worked on and one waits.
_CALLS_A_REPLICA = 2
_PARTITIONS_A_CONSUMER = 2
_DAY_SECONDS = 24 * 60 * 60
_GIGA, _TERA = 1e9, 1e12
_BITS = 8
_MILLI = 1000


class Planner:
    """What all plans of one table have in common; bytes, and seconds of CPU."""

    def __init__(self, tables: Tables) -> None:
        self.sizes = costs.group(tables.table, "sizes")
        self.rules = costs.group(tables.table, "assumptions")
        self.costs = tables.of_a_backlog("float32")
        self.int8 = tables.of_a_backlog("int8")
        self.in_turn = 1 - tables.waits.beside

    def plan(self, per_second: float) -> Plan:
        """Give every part as much as keeps it no busier than is assumed."""
        return Plan(self, per_second)

    @property
    def busy(self) -> float:
        """How busy a part may be."""
        return self.rules["busy at most"]

    @property
    def nginx_seconds(self) -> float:
        """CPU of Nginx for an upload, over TLS."""
        return self.costs.nginx + self.sizes["TLS"] / _MILLI

    @property
    def store_seconds(self) -> float:
        """CPU of the store for an image: it is put and got, and two objects are made of it."""
        cost = self.costs
        return cost.minio_put + cost.minio_get + cost.minio_picture + cost.minio_result

    @property
    def store_bytes(self) -> float:
        """Bytes into and out of the store for an image; copies among its drives left out."""
        return 2 * self.sizes["image"] + self.sizes["picture"] + self.sizes["result"]

    @property
    def files(self) -> float:
        """Files made for an image, on all drives of a set."""
        return len(OBJECTS) * self.rules["drives of an erasure set"]

    @property
    def kafka_bytes(self) -> float:
        """Bytes on the brokers' disks for an image."""
        once = self.sizes["upload event"] + self.sizes["result event"]
        return once * self.rules["copies of an event"]

    @property
    def kafka_seconds(self) -> float:
        """CPU of all brokers for an image."""
        more = self.rules["copies of an event"] - 1
        once = self.costs.kafka_upload + self.costs.kafka
        return once * (1 + more * self.rules["CPU of a copy"])

    def bytes_on_drives(self, size: str) -> float:
        """Tell what one object of an image takes on all drives of its set: files in whole blocks.

        Each drive has a folder and a file of it, in which the data lie as they are small.
        """
        rules = self.rules
        share = self.sizes[size] / rules["drives of data"] + rules["head of an object"]
        file = math.ceil(share / rules["block of a file system"]) * rules["block of a file system"]
        return rules["drives of an erasure set"] * (file + 2 * rules["inode of a file system"])

    def drives_for(self, images: float) -> int:
        """Tell how many drives hold so many images, as full as parts may be busy."""
        total = images * sum(self.bytes_on_drives(size) for size in OBJECTS)
        return self.in_sets(total / (self.rules["bytes of a drive"] * _TERA * self.busy))

    def in_sets(self, drives: float) -> int:
        """Fill up the last set of drives."""
        whole = self.rules["drives of an erasure set"]
        return int(whole * max(1, math.ceil(drives / whole)))


@dataclass(frozen=True)
class Plan:
    """How many of each part there are for a rate; memory in GB, disks in TB, networks in Gbit/s."""

    planner: Planner
    per_second: float

    @property
    def replicas(self) -> int:
        """Of image-classifier, with a model in float32."""
        return self._ones(self.planner.costs.classifier)

    @property
    def replicas_int8(self) -> int:
        """The same, with a model in int8."""
        return self._ones(self.planner.int8.classifier)

    @property
    def uploads(self) -> int:
        """Replicas of image-upload, by what its interpreter does."""
        return max(_LEAST, self._ones(self.planner.costs.image_upload * self.planner.in_turn))

    @property
    def providers(self) -> int:
        """Cores of the functions' gateway."""
        cost = self.planner.costs
        return max(_LEAST, self._ones(cost.provider_upload + cost.provider))

    @property
    def gateway_cores(self) -> float:
        """Of Nginx."""
        return self._cores(self.planner.nginx_seconds)

    @property
    def gateways(self) -> int:
        """Machines for Nginx' network: everything comes in and goes out."""
        return max(_LEAST, self._machines(2 * self._network(self.planner.sizes["image"])))

    @property
    def consumers(self) -> int:
        """By their CPU, and by the calls that keep all replicas busy."""
        calls = _CALLS_A_REPLICA * self.replicas / _SETTINGS.batches_in_flight
        return max(_LEAST, self._ones(self.planner.costs.consumer), math.ceil(calls))

    @property
    def partitions(self) -> int:
        """Of each topic."""
        return max(_SETTINGS.kafka_partitions, _PARTITIONS_A_CONSUMER * self.consumers)

    @property
    def broker_cores(self) -> float:
        """Of all brokers of Kafka."""
        return self._cores(self.planner.kafka_seconds)

    @property
    def brokers(self) -> int:
        """Brokers of Kafka."""
        return max(_LEAST_BROKERS, math.ceil(self.broker_cores / _BROKER_CORES))

    @property
    def broker_disk(self) -> float:
        """Of all brokers, for as long as events are kept."""
        seconds = topics.RESULTS.retention_days * _DAY_SECONDS
        return self.per_second * seconds * self.planner.kafka_bytes / _TERA

    @property
    def store_cores(self) -> float:
        """Of all servers of S3."""
        return self._cores(self.planner.store_seconds)

    @property
    def stores(self) -> int:
        """Servers of S3, by their cores and by their network."""
        cores = math.ceil(self.store_cores / self.planner.rules["cores of a machine"])
        return max(_LEAST, cores, self._machines(self.store_network))

    @property
    def store_network(self) -> float:
        """Into and out of all servers of S3."""
        return self._network(self.planner.store_bytes)

    @property
    def files_per_second(self) -> float:
        """Files made on all drives."""
        return self.per_second * self.planner.files

    @property
    def drives(self) -> int:
        """By the files that they make."""
        each = self.planner.rules["files made by a drive"] * self.planner.busy
        return self.planner.in_sets(self.files_per_second / each)

    @property
    def redis_memory(self) -> float:
        """For every result, as long as it is kept."""
        seconds, size = _SETTINGS.cache_ttl_seconds, self.planner.sizes["result in Redis"]
        return self.per_second * seconds * size / _GIGA

    @property
    def redis_cores(self) -> float:
        """Of Redis."""
        return self._cores(self.planner.costs.redis)

    @property
    def cores(self) -> float:
        """All of them, of float32; Redis has one."""
        functions = self.replicas + self.uploads + self.providers + self.consumers
        return functions + self.gateway_cores + self.broker_cores + self.store_cores + 1

    def layout(self) -> Layout:
        """Give the parts to the model."""
        return Layout(
            cores=0,
            gateways=self.gateways,
            providers=self.providers,
            uploads=self.uploads,
            stores=self.stores,
            brokers=self.brokers,
            consumers=self.consumers,
            replicas=self.replicas,
            store_cores=int(self.planner.rules["cores of a machine"]),
            broker_cores=_BROKER_CORES,
        )

    def _ones(self, seconds: float) -> int:
        """Of parts that are one core wide."""
        return math.ceil(self._cores(seconds))

    def _cores(self, seconds: float) -> float:
        return self.per_second * seconds / self.planner.busy

    def _network(self, size: float) -> float:
        return self.per_second * size * _BITS / _GIGA

    def _machines(self, network: float) -> int:
        return math.ceil(network / (self.planner.rules["network of a machine"] * self.planner.busy))
