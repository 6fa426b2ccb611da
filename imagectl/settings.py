"""Where the stack is that is operated: the environment, else what a local stack's files say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.errors import SettingsError
from pipeline.secrets import text_of
from pipeline.settings import Settings

_PATIENCE_SECONDS = 10.0
# Which setting is told by which process of a local stack: its run file, its port, the value.
_TOLD_BY = {
    "MINIO_ENDPOINT": ("minio", "minio", "127.0.0.1:{port}"),
    "KAFKA_BOOTSTRAP_SERVERS": ("kafka", "kafka", "127.0.0.1:{port}"),
    "REDIS_URL": ("redis", "redis", "redis://127.0.0.1:{port}/0"),
    "OPENFAAS_URL": ("provider", "provider", "http://127.0.0.1:{port}"),
}

_GATEWAY_URL = "http://127.0.0.1:8080"


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Read the settings; what the environment leaves open is looked up below STATE_DIR.

    Raises:
        SettingsError: naming all variables that are wrong.
    """
    given = {name: text for name, text in environment.items() if text}
    return Settings.from_env({**_local(state_dir_of(environment)), **given})


def state_dir_of(environment: Mapping[str, str]) -> Path:
    """Where a local stack keeps its state."""
    return Path(environment.get("STATE_DIR") or ".local")


def gateway_url_of(environment: Mapping[str, str]) -> str:
    """The gateway: GATEWAY_URL, else a local stack's."""
    folder = state_dir_of(environment)
    try:
        state = json.loads((folder / "run" / "nginx.json").read_text())
        local = _told_url(folder) or f"http://127.0.0.1:{state['ports']['gateway']}"
    except (OSError, ValueError, KeyError):
        local = _GATEWAY_URL  # it is not running: where it would be
    return environment.get("GATEWAY_URL") or local


def _told_url(folder: Path) -> str:
    """What a local stack says its gateway is called, with or without TLS."""
    try:
        return (folder / "gateway-url").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def authority_of(environment: Mapping[str, str]) -> str | None:
    """Who vouches for the gateway's certificate: the file TLS_CA_FILE, else a local stack's own.

    Returns:
        None for those that everybody trusts.
    """
    own = state_dir_of(environment) / "tls" / "ca.pem"
    is_local = gateway_url_of(environment) == _told_url(state_dir_of(environment))
    return environment.get("TLS_CA_FILE") or (str(own) if is_local and own.is_file() else None)


def api_key_of(environment: Mapping[str, str], given: str | None) -> str:
    """Read an API key: of the file given, else API_KEY_FILE, else of a local stack's `prove`.

    Raises:
        SettingsError: there is none; names the file.
    """
    own = state_dir_of(environment) / "prove-api-key"
    path = Path(given or environment.get("API_KEY_FILE") or own)
    try:
        key = text_of(path, "an API key")
    except SettingsError as error:
        raise SettingsError(
            f"{error}; --api-key-file or API_KEY_FILE says where one is, and a local stack makes"
            " one at its start"
        ) from error
    if len(key.split()) != 1:
        raise SettingsError(f"{path} holds {len(key.split())} words; expected one, the API key")
    return key


def patient(settings: Settings) -> Settings:
    """Wait longer than a request may: a listing takes time, and nobody's answer hangs on it."""
    return replace(
        settings,
        store_timeout_seconds=max(settings.store_timeout_seconds, _PATIENCE_SECONDS),
        produce_timeout_seconds=max(settings.produce_timeout_seconds, _PATIENCE_SECONDS),
    )


def _local(state_dir: Path) -> dict[str, str]:
    """Tell what a stack on this machine uses; nothing where there is none."""
    secrets_dir = state_dir / "secrets"
    found = {"SECRETS_DIR": str(secrets_dir)} if secrets_dir.is_dir() else {}
    for variable, (process, port_name, value) in _TOLD_BY.items():
        try:
            state = json.loads((state_dir / "run" / f"{process}.json").read_text())
            found[variable] = value.format(port=state["ports"][port_name])
        except (OSError, ValueError, KeyError):
            continue  # it is not running, or has just ended: the default says where it would be
    return found
