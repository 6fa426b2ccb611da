"""One engine in a process of its own, run by the environment that has it.

`python -P engine_run.py time ENGINE MODEL PICTURES COUNT` prints how many pictures, one after the
other, it does in a second of CPU; `best` instead of `time` prints the best class of each, as JSON.
It imports nothing of ours but, for `ours`, the classifier's own model.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WARM_UP_IMAGES = 20
# Of Keras only the answers count, not the time; the others take one at a time, as they are timed.
_TOGETHER = 50

# float32 (images, side, side, 3) in [-1, 1] in; scores out.
Predict = Callable[[NDArray[Any]], NDArray[Any]]


def ours(model: Path) -> Predict:
    """The classifier's own."""
    from model import Model

    return Model.from_folder(model.parent).predict


def litert(model: Path) -> Predict:
    """The interpreter alone."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model), num_threads=1)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def predict(array: NDArray[Any]) -> NDArray[Any]:
        interpreter.set_tensor(taken["index"], _stored(array, taken["dtype"]))
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(given["index"]))

    return predict


def onnxruntime(model: Path) -> Predict:
    """ONNX Runtime with one thread."""
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = str(model.with_suffix(".onnx"))
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    taken = session.get_inputs()[0]
    dtype = np.uint8 if "uint8" in taken.type else np.float32
    return lambda array: np.asarray(session.run(None, {taken.name: _stored(array, dtype)})[0])


def openvino(model: Path) -> Predict:
    """OpenVINO with one thread, at full precision."""
    import openvino as runtime

    core = runtime.Core()
    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = core.compile_model(core.read_model(str(model)), "CPU", settings)
    request = compiled.create_infer_request()
    dtype = np.uint8 if "u" in str(compiled.input(0).element_type) else np.float32
    return lambda array: np.asarray(request.infer([_stored(array, dtype)])[0])


def keras(model: Path) -> Predict:
    """The reference."""
    from keras.models import load_model

    loaded = load_model(model)
    return lambda array: np.asarray(loaded(array, training=False))


def main(what: str, engine: str, model: Path, pictures: Path, count: int) -> None:
    """Do one of both."""
    predict: Predict = globals()[engine](model)
    arrays = [_scaled(each) for each in np.load(pictures, mmap_mode="r")[:count]]
    together = _TOGETHER if engine == "keras" else 1
    found = _rate(predict, arrays) if what == "time" else _best(predict, arrays, together)
    print(json.dumps(found))


def _rate(predict: Predict, arrays: list[NDArray[Any]]) -> float:
    for array in arrays[:_WARM_UP_IMAGES]:
        predict(array)
    started = time.process_time()
    for array in arrays:
        predict(array)
    return len(arrays) / (time.process_time() - started)


def _best(predict: Predict, arrays: list[NDArray[Any]], together: int) -> list[int]:
    found: list[int] = []
    for start in range(0, len(arrays), together):
        part = np.concatenate(arrays[start : start + together])
        found += predict(part).reshape(len(part), -1).argmax(axis=1).tolist()
    return found


def _scaled(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return picture[None].astype(np.float32) / np.float32(127.5) - np.float32(1)


def _stored(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    if dtype == np.float32:
        return array
    # In place, as ours does it: it is part of what is timed.
    stored = array * np.float32(127.5)
    stored += np.float32(127.5)
    return np.rint(stored, out=stored).astype(np.uint8)


if __name__ == "__main__":
    _what, _engine, _model, _pictures, _count = sys.argv[1:]
    main(_what, _engine, Path(_model), Path(_pictures), int(_count))
