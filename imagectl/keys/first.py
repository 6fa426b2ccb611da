"""The keys that a stack comes with, `api-key` and `prove-api-key`, made keys like any other.

`python -m imagectl.keys.first` does it at every start. KEYS_DIR is the folder of keys, API_KEYS_DIR
that of the files. What is known of a key already stays: one that was revoked does not come back.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from imagectl.keys.folder import KeyFolder, keys_dir_of
from imagectl.keys.record import LIVE, MalformedRecord, Record, digest_of
from pipeline.errors import PipelineError, SettingsError
from pipeline.names import FIRST_KEYS
from pipeline.secrets import text_of


def main(environment: Mapping[str, str]) -> list[Record]:
    """Take up the keys that are not known yet; returns their records.

    A file that holds another key than before takes the place of the earlier one, which ends: as it
    did when such files were all that there was.

    Raises:
        SettingsError: a file cannot be read, or the folder not written to.
    """
    folder = KeyFolder(*keys_dir_of(environment, Path(environment.get("STATE_DIR") or ".local")))
    folder.make()
    now = int(time.time())
    taken = []
    with folder.locked():
        for file, (tenant, scopes) in FIRST_KEYS.items():
            digest = digest_of(text_of(Path(environment["API_KEYS_DIR"]) / file, "an API key"))
            if _is_known(folder, digest):
                continue
            for earlier in folder.all()[0]:
                if earlier.file == file and earlier.state(now) == LIVE:
                    folder.write(replace(earlier, revoked=now))
            record = Record(digest, tenant, scopes, f"first of {tenant}", created=now, file=file)
            folder.write(record)
            taken.append(record)
    return taken


def _is_known(folder: KeyFolder, digest: str) -> bool:
    try:
        return folder.get(digest) is not None
    except MalformedRecord:
        return True  # whatever it once said: `imagectl keys list` tells


if __name__ == "__main__":
    try:
        for made in main(os.environ):
            print(f"The key in {made.file} is {made.id}, of tenant {made.tenant}.")
    except (SettingsError, PipelineError) as error:
        sys.exit(f"error: {error}")
