"""How a new secret comes to the processes that use it: its file, and OpenFaaS for functions."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import SettingsError
from pipeline.http.openfaas import OpenFaaS
from pipeline.settings import Settings

_REQUEST_SECONDS = 30.0


class Delivery:
    """Writes the files in SECRETS_DIR, and tells OpenFaaS what functions have."""

    def __init__(self, settings: Settings) -> None:
        self._folder = Path(settings.secrets_dir)
        self._openfaas = OpenFaaS(settings, _REQUEST_SECONDS)

    def read(self, name: str) -> str:
        """Tell a secret as it is now.

        Raises:
            SettingsError: there is none; names its file.
        """
        path = self._folder / name
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"secret {name}: cannot read {path}: {error.strerror}") from error

    def give(self, name: str, text: str, *, to_functions: bool) -> None:
        """Put a secret in the place of the one before.

        Raises:
            SettingsError: the file cannot be written.
            Unavailable: OpenFaaS did not take it.
        """
        path = self._folder / name
        try:
            self._write(path, text)
        except OSError as error:
            raise SettingsError(f"secret {name}: cannot write {path}: {error.strerror}") from error
        if to_functions:
            self._openfaas.update_secret(name, text)

    def _write(self, path: Path, text: str) -> None:
        """Write into the file that is there: a container has that one, whatever has its name later.

        Who reads meanwhile reads again, as the time of the file is set once more behind the text.
        """
        descriptor = os.open(path, os.O_WRONLY)
        try:
            data = text.encode()
            os.pwrite(descriptor, data, 0)
            os.ftruncate(descriptor, len(data))
            os.fsync(descriptor)
            os.utime(descriptor)
        finally:
            os.close(descriptor)
