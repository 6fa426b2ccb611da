"""The loop that the example systems have, as a process of its own; for comparison only.

`python -m bench.comparison.example_loop [--topic TOPIC] [--model-dir FOLDER]`; the folder holds a
Keras model. One message, one image, one `model.predict`; offsets are committed by the client as it
pleases, an error is logged and the next message read. Nothing of the pipeline is in it but the
names of things.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Consumer
from minio import Minio
from PIL import Image

from pipeline.access.accounts import MINIO
from pipeline.kafka import topics
from pipeline.kafka.clients import connection
from pipeline.settings import Settings

GROUP = "example-loop"
BUCKET = "example-results"

_SIDE = 224

logger = logging.getLogger(__name__)


def main(topic: str, model_dir: Path | None) -> None:
    """Run until killed."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = Settings.from_env(os.environ)
    model, store = _model(model_dir), _store(settings)
    # enable.auto.commit is left at its default: true.
    consumer = Consumer(
        {
            **connection(settings),
            "group.id": GROUP,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    while True:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            logger.error("kafka: %s", message.error())
            continue
        try:
            _process(store, model, json.loads(message.value() or b"")["data"])
        except Exception as error:
            logger.error("failed: %s", error)


def _store(settings: Settings) -> Minio:
    root = settings.secrets.login(MINIO).now()
    store = Minio(
        settings.minio_endpoint,
        access_key=root.name,
        secret_key=root.password,
        secure=False,
    )
    if not store.bucket_exists(BUCKET):
        store.make_bucket(BUCKET)
    return store


def _model(folder: Path | None) -> Any:
    if folder is not None:
        from keras.models import load_model

        return load_model(next(folder.glob("*.keras")))
    from keras.applications import MobileNetV2

    # Without weights: neither what it loses nor its speed depends on what it says.
    return MobileNetV2(weights=None)


def _process(store: Minio, model: Any, data: dict[str, Any]) -> None:
    bucket, _, key = data["storagePath"].partition("/")
    response = store.get_object(bucket, key)
    try:
        image = Image.open(io.BytesIO(response.read())).convert("RGB").resize((_SIDE, _SIDE))
    finally:
        response.close()
        response.release_conn()
    array = np.asarray(image, np.float32)[np.newaxis] / 127.5 - 1.0
    scores = model.predict(array, verbose=0)[0]
    body = json.dumps({"imageId": data["imageId"], "class": int(scores.argmax())}).encode()
    store.put_object(BUCKET, f"{data['imageId']}.json", io.BytesIO(body), len(body))
    logger.info("classified %s", data["imageId"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m bench.comparison.example_loop", description=__doc__
    )
    parser.add_argument("--topic", default=topics.UPLOADS.name)
    parser.add_argument("--model-dir", type=Path)
    main(**vars(parser.parse_args()))
