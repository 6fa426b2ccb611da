"""What plain Keras says of arrays, asked in a process of its own: TensorFlow warns on import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_CODE = (
    "import sys, keras, numpy as np; model = keras.models.load_model(sys.argv[1]);"
    " np.save(sys.argv[3], model.predict(np.load(sys.argv[2]), verbose=0))"
)


def keras_scores(
    model_file: Path, arrays: NDArray[np.float32], folder: Path
) -> NDArray[np.float32]:
    """Run a `.keras` file on (images, height, width, channels); returns (images, classes)."""
    np.save(folder / "arrays.npy", arrays)
    files = [model_file, folder / "arrays.npy", folder / "scores.npy"]
    command = [sys.executable, "-c", _CODE, *map(str, files)]
    subprocess.run(command, check=True, capture_output=True)
    return np.asarray(np.load(folder / "scores.npy"), np.float32)
