"""Which model is served: `python -m models.prepare [--model-dir DIR] [--download] [--publish]`.

The last line of stdout is the modelId; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from models import bundle, download, worker
from pipeline.errors import ModelRefused, SettingsError, Unavailable

DEMONSTRATION = Path(__file__).resolve().parent / "demonstration"


def main() -> int:
    """Run the command; 1 when the model is refused or could not be published."""
    given = _arguments()
    cache_dir = cache_folder(os.environ)
    try:
        if given.download:
            download.download(cache_dir)
        prepared = bundle.prepare(_choose(given.model_dir, cache_dir), cache_dir)
        if given.publish:
            # Imported late: preparing a model needs no client of the store.
            from models.publish import publish

            publish(prepared, os.environ)
    except (ModelRefused, SettingsError, Unavailable) as error:
        worker.say(f"error: {error}")
        return 1
    print(prepared.manifest.model_id)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.prepare", description=__doc__)
    parser.add_argument("--model-dir", type=Path, help="folder with a model and labels.txt")
    parser.add_argument("--download", action="store_true", help="fetch MobileNetV2 through Keras")
    parser.add_argument("--publish", action="store_true", help="put it into MinIO as current model")
    return parser.parse_args()


def _choose(model_dir: Path | None, cache_dir: Path) -> Path:
    """Take the folder that was given, else the downloaded model, else the demonstration."""
    if model_dir is not None:
        return model_dir
    downloaded = download.folder(cache_dir)
    if downloaded.exists():
        return downloaded
    worker.say("no model given or downloaded: using the demonstration model (ten drawn shapes)")
    return DEMONSTRATION


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Tell where conversions and downloads are kept: CACHE_DIR, else the user's cache."""
    if environment.get("CACHE_DIR"):
        return Path(environment["CACHE_DIR"])
    home = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "image-pipeline")


if __name__ == "__main__":
    sys.exit(main())
