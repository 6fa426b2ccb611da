"""MLServer: an image in, labels out over HTTP; over Kafka an event in, a stored result out."""

# No `from __future__ import annotations`: MLServer reads the annotation itself, not its text.

from typing import Annotated, Any

from fastapi import Body
from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.handlers import custom_handler
from mlserver.types import InferenceRequest, InferenceResponse

from bench.peers.work import Work


class Classifier(MLModel):  # type: ignore[misc]
    """One in each of MLServer's workers."""

    async def load(self) -> bool:
        self._work = Work()
        return True

    @custom_handler(rest_path="/classify")  # type: ignore[untyped-decorator]
    async def classify(self, image: Annotated[bytes, Body()]) -> dict[str, Any]:
        """The raw body is the image."""
        return {"labels": self._work.labels(image)}

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The one input is an event."""
        [raw] = StringCodec.decode_input(payload.inputs[0])
        stored = StringCodec.encode_output("event", [self._work.store(raw.encode()).decode()])
        return InferenceResponse(model_name=self.name, outputs=[stored])
