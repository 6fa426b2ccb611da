"""The costs of each model and machine, made of the table as the model takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bench.simulation import costs
from bench.simulation.stack import Costs, Waits

_MILLISECOND = 0.001


class Tables:
    """All that the model is given."""

    def __init__(self, table: Mapping[str, Mapping[str, costs.Entry]]) -> None:
        self.table = table
        self._shares, self._calls = costs.group(table, "shares"), costs.group(table, "calls")
        self.float32 = Costs.of(costs.group(table, "float32"), self._shares, self._calls)
        self.int8 = Costs.of(costs.group(table, "int8"), self._shares, self._calls)
        self.sixteen_cores = self._sixteen_cores()
        waits = costs.group(table, "waits")
        self.waits = Waits(
            loader=waits["loader"] * _MILLISECOND,
            hand_over=waits["hand-over"] * _MILLISECOND,
            put=waits["MinIO, an object"] * _MILLISECOND,
            event=waits["Kafka, an event"] * _MILLISECOND - self.float32.kafka_upload,
            beside=waits["image-upload beside its interpreter"],
            start=waits["replica start"],
        )
        self.stub_waits = replace(self.waits, start=waits["stub start"])
        self.crowding = waits["crowding"]

    def of_a_backlog(self, model: str) -> Costs:
        """What an image costs with calls as large as they get, and the provider as it is now."""
        none = dict.fromkeys(self._calls, 0.0)
        plain = Costs.of(costs.group(self.table, model), self._shares, none)
        return self._with_provider_of_now(plain)

    @property
    def cluster(self) -> Costs:
        """The same, calls told apart from their images."""
        return self._with_provider_of_now(self.float32)

    def _with_provider_of_now(self, then: Costs) -> Costs:
        """P2 was measured with the provider before P18's."""
        return then.times(provider_upload=self.sixteen_cores.provider_upload / then.provider_upload)

    def uploads_of_p4(self) -> Costs:
        """What an upload cost when P4 was measured, shared out as it is since."""
        parts = ("nginx", "provider_upload", "image_upload", "minio_put", "kafka_upload")
        now = sum(float(getattr(self.float32, part)) for part in parts)
        then = costs.group(self.table, "waits")["an upload when P4 was measured"] * _MILLISECOND
        return self.float32.times(**dict.fromkeys(parts, then / now))

    def _sixteen_cores(self) -> Costs:
        """The classifier's steps are as many times longer there as all of it is."""
        group = costs.group(self.table, "16 cores")
        steps = costs.group(self.table, "float32")
        longer = group["classifier"] * _MILLISECOND / self.float32.classifier
        classifier = {n: it * longer for n, it in steps.items() if n.startswith("classifier")}
        return Costs.of({**group, **classifier}, self._shares, self._calls)
