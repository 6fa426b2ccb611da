"""MinIO: the object store's command and environment, and the key that it encrypts by."""

from __future__ import annotations

import hashlib

from local.machine import files
from local.services.fetch import minio_build
from local.services.progress import StepFailed
from local.services.settings import Stack


def prepare(stack: Stack) -> None:
    """Have what MinIO reads at its start.

    Raises:
        StepFailed: the key is another than its objects were encrypted by.
    """
    stack.data_dir("minio").mkdir(parents=True, exist_ok=True)
    _check_key(stack)


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
        # The key is told also where nothing new is encrypted: what is encrypted stays readable.
        "MINIO_KMS_SECRET_KEY_FILE": str(stack.encryption_key_file),
        "MINIO_KMS_AUTO_ENCRYPTION": "on" if stack.encrypt else "off",
        "MINIO_UPDATE": "off",
        # Near it garbage is collected more often; it is no bound.
        "GOMEMLIMIT": "224MiB",
        "MINIO_CALLHOME_ENABLE": "off",
        # It counts objects and looks for what lifecycle rules, which there are none of, would end:
        # every half hour is enough, and every minute cost a fifth of MinIO's CPU under load.
        "MINIO_SCANNER_SPEED": "slowest",
    }


def _check_key(stack: Stack) -> None:
    """Refuse a key that was made, or put there, in the place of a lost one: it opens nothing."""
    noted = stack.data_dir("minio-key-id")
    digest = hashlib.sha256(stack.encryption_key_file.read_bytes().strip()).hexdigest()
    if not noted.exists():
        files.write(noted, digest)
    elif noted.read_text(encoding="utf-8") != digest:
        raise StepFailed(
            f"{stack.encryption_key_file} is not the key that MinIO's objects were encrypted by:"
            " put that one back from your copy"
        )
