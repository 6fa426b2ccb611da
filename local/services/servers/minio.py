"""MinIO: the object store's command and environment."""

from __future__ import annotations

from local.services.fetch import minio_build
from local.services.settings import Stack


def prepare(stack: Stack) -> None:
    stack.data_dir("minio").mkdir(parents=True, exist_ok=True)


def command(stack: Stack) -> list[str]:
    return [
        str(minio_build.binary(stack)),
        *("server", str(stack.data_dir("minio"))),
        *("--address", f"127.0.0.1:{stack.listening.minio}"),
        *("--console-address", f"127.0.0.1:{stack.listening.minio_console}"),
        *("--certs-dir", str(stack.state_dir / "minio-certificates")),
    ]


def environment(stack: Stack) -> dict[str, str]:
    """MinIO reads its login from files, so that no environment shows it."""
    return {
        "MINIO_ROOT_USER_FILE": str(stack.secrets_dir / "minio-access-key"),
        "MINIO_ROOT_PASSWORD_FILE": str(stack.secrets_dir / "minio-secret-key"),
        "MINIO_UPDATE": "off",
        # Near it garbage is collected more often; it is no bound.
        "GOMEMLIMIT": "224MiB",
        "MINIO_CALLHOME_ENABLE": "off",
        # It counts objects and looks for what lifecycle rules, which there are none of, would end:
        # every half hour is enough, and every minute cost a fifth of MinIO's CPU under load.
        "MINIO_SCANNER_SPEED": "slowest",
    }
