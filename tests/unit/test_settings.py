"""Settings come from the environment, and all that is wrong is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.settings import Settings


def test_an_empty_environment_gives_local_defaults() -> None:
    settings = Settings.from_env({})

    assert settings.minio_endpoint == "127.0.0.1:9000"
    assert settings.cache_ttl_seconds == 3600


def test_every_kind_of_value_is_read() -> None:
    settings = Settings.from_env(
        {"MAX_IMAGE_BYTES": "5", "STORE_TIMEOUT_SECONDS": "0.5", "MODEL_ID": "m-1"}
    )

    assert (settings.max_image_bytes, settings.store_timeout_seconds) == (5, 0.5)
    assert settings.model_id == "m-1"


def test_an_empty_variable_means_the_default() -> None:
    assert Settings.from_env({"BATCH_SIZE": ""}).batch_size == 32


def test_all_wrong_variables_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({"BATCH_SIZE": "many", "TOP_K": "0", "RETRY_BASE_SECONDS": "soon"})

    text = str(refused.value)
    assert "BATCH_SIZE='many': expected a whole number" in text
    assert "TOP_K='0': the smallest allowed value is 1" in text
    assert "RETRY_BASE_SECONDS='soon': expected a number" in text


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="STORE_TIMEOUT_SECONDS"):
        Settings.from_env({"STORE_TIMEOUT_SECONDS": "nan"})


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "image-upload-key").write_text("s3cret\n")

    assert Settings(secrets_dir=str(tmp_path)).secrets.text("image-upload-key") == "s3cret"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff"])
def test_a_secret_that_cannot_be_read_names_its_file(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "job-signing-key").write_bytes(content)

    with pytest.raises(SettingsError, match="job-signing-key"):
        Settings(secrets_dir=str(tmp_path)).secrets.text("job-signing-key")
