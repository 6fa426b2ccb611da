"""The secrets of a process: keys and logins, each a file in one folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.access import accounts
from pipeline.access.login import Login, LoginFile
from pipeline.access.secret_file import SecretFile, keys_of
from pipeline.errors import SettingsError


@dataclass(frozen=True)
class Secrets:
    """What one account finds in its folder."""

    folder: Path
    account: str

    def login(self, service: str) -> LoginFile:
        """The login of this account at MinIO, Kafka or Redis.

        Raises:
            SettingsError: the file is missing or holds none; names it.
        """
        login = self.later_login(service)
        try:
            login.now()
        except OSError as error:
            found = f"cannot read {login.path}: {error.strerror}"
            raise SettingsError(f"{self.account} has no login at {service}: {found}") from error
        except ValueError as error:
            raise SettingsError(f"{login.path} holds no login: {error}") from error
        return login

    def later_login(self, service: str) -> LoginFile:
        """The same, but nothing is read before it is asked for."""
        return LoginFile(self.folder / accounts.secret_name(service, self.account), Login.parse)

    def keys(self, name: str) -> Callable[[], tuple[str, ...]]:
        """A secret that holds a key for each line, of which the first signs; as it is when asked.

        Raises:
            SettingsError: the file is missing or empty; names the file.
        """
        self.text(name)
        return SecretFile(self.folder / name, keys_of).now

    def text(self, name: str) -> str:
        """Read one secret.

        Raises:
            SettingsError: the file is missing or empty; names the file.
        """
        return text_of(self.folder / name, f"the secret {name}")


def text_of(path: Path, what: str) -> str:
    """Read a file that holds one secret.

    Args:
        what: it is to hold.

    Raises:
        SettingsError: it is missing or empty; names the file.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"cannot read {what} in {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is no text; it is to hold {what}") from error
    if not text:
        raise SettingsError(f"{path} is empty; it is to hold {what}")
    return text
