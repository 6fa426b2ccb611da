"""imagectl finds its stack, and leaves everything as it was when a switch fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from imagectl.served_model import Function, NotSwitched, ServedModel, model_of
from imagectl.settings import api_key_of, settings_of
from imagectl.switch import model_ids, switch
from models import bundle, publish
from models.prepare import DEMONSTRATION
from pipeline.errors import ModelRefused, SettingsError, Unavailable
from pipeline.version import VERSION
from tests.fakes import MemoryStore
from tests.stack import ROOT

NAMES = ("image-classifier", "image-results", "image-upload")


class StubServedModel(ServedModel):
    """Functions that take any model at once, but for one that refuses all but the first."""

    def __init__(
        self, refusing: str = "", error: type[NotSwitched] | type[Unavailable] = NotSwitched
    ) -> None:
        self.functions: dict[str, Function] = {
            name: {"name": name, "envVars": {"MODEL_ID": "older-0123456789ab", "TOP_K": "5"}}
            for name in NAMES
        }
        self.refusing = refusing
        self.error = error

    def functions_with_a_model(self) -> list[Function]:
        return [{**each, "envVars": dict(each["envVars"])} for each in self.functions.values()]

    def deploy(self, function: Function, model_id: str) -> None:
        self.functions[function["name"]]["envVars"]["MODEL_ID"] = model_id

    def wait(self, function: Function, model_id: str, seconds: float) -> None:
        if function["name"] == self.refusing and not model_id.startswith("older"):
            raise self.error(f"{self.refusing}: failed")

    @property
    def models(self) -> set[str]:
        return {model_of(function) for function in self.functions.values()}


class Models:
    """A store with the demonstration model, and another one current."""

    def __init__(self, cache_dir: Path) -> None:
        self.store = MemoryStore()
        made = bundle.prepare(DEMONSTRATION, cache_dir)
        self.model_id = made.manifest.model_id
        publish.add(made, self.store)
        publish.make_current("older-0123456789ab", self.store)
        self.said: list[str] = []

    @property
    def current(self) -> str:
        return self.store.objects["models", "current"].decode()

    def use(self, model_id: str, openfaas: StubServedModel) -> None:
        switch(model_id, self.store, openfaas, 1.0, self.said.append)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


def test_a_switch_gives_all_functions_the_model_and_makes_it_current(models: Models) -> None:
    openfaas = StubServedModel()

    models.use(models.model_id, openfaas)

    assert openfaas.models == {models.model_id}
    assert models.current == models.model_id


@pytest.mark.parametrize("error", [NotSwitched, Unavailable])
@pytest.mark.parametrize("refusing", NAMES)
def test_a_function_that_refuses_puts_all_of_them_back(
    models: Models, refusing: str, error: type[NotSwitched] | type[Unavailable]
) -> None:
    openfaas = StubServedModel(refusing, error)

    with pytest.raises(error, match=refusing):
        models.use(models.model_id, openfaas)

    assert openfaas.models == {"older-0123456789ab"}
    assert models.current == "older-0123456789ab"


def test_a_bundle_without_a_file_is_refused_before_anything_is_deployed(models: Models) -> None:
    openfaas = StubServedModel()
    del models.store.objects["models", f"{models.model_id}/labels.txt"]

    with pytest.raises(ModelRefused, match=r"holds model.tflite, model.json; expected labels.txt"):
        models.use(models.model_id, openfaas)

    assert openfaas.models == {"older-0123456789ab"}


def test_a_bundle_under_another_models_name_is_refused(models: Models) -> None:
    objects = models.store.objects
    for (bucket, key), data in list(objects.items()):
        objects[bucket, key.replace(models.model_id, "pets-0123456789ab")] = data

    with pytest.raises(ModelRefused, match=r"models/pets-0123456789ab holds demonstration-"):
        models.use("pets-0123456789ab", StubServedModel())


def test_only_whole_models_are_listed(models: Models) -> None:
    models.store.put("models", "half-0123456789ab/model.tflite", b"", "")

    assert model_ids(models.store) == [models.model_id]


def test_a_local_stack_is_found_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "run").mkdir()
    for name, port in (("minio", 9999), ("kafka", 9998)):
        (tmp_path / "run" / f"{name}.json").write_text(json.dumps({"ports": {name: port}}))

    settings = settings_of({"STATE_DIR": str(tmp_path), "MINIO_ENDPOINT": ""})

    assert settings.minio_endpoint == "127.0.0.1:9999"
    assert settings.kafka_bootstrap_servers == "127.0.0.1:9998"
    assert settings.secrets_dir == str(tmp_path / "secrets")
    assert settings.openfaas_url == "http://127.0.0.1:8081"


def test_what_the_environment_says_counts_more_than_a_local_stack(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()

    settings = settings_of({"STATE_DIR": str(tmp_path), "SECRETS_DIR": "elsewhere"})

    assert settings.secrets_dir == "elsewhere"


def test_reconciling_loads_no_room_of_models() -> None:
    code = "import sys, imagectl.__main__, imagectl.reconcile; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    loaded = set(done.stdout.split())
    assert "imagectl.reconcile" in loaded
    assert loaded & {"models", "tensorflow", "numpy", "PIL", "requests"} == set()


def test_the_command_that_is_installed_tells_the_version() -> None:
    command = Path(sys.executable).with_name("imagectl")

    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)

    assert told.stdout == f"imagectl, version {VERSION}\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [("", "is empty; it is to hold an API key"), ("one\ntwo\n", "holds 2 words; expected one")],
)
def test_a_file_of_no_key_is_named(text: str, found: str, tmp_path: Path) -> None:
    file = tmp_path / "no-key"
    file.write_text(text)

    with pytest.raises(SettingsError, match=f"no-key {found}"):
        api_key_of({}, str(file))
