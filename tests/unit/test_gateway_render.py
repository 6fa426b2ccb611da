"""The gateway's configuration: what is filled in, and what is said of what cannot be."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import render
from pipeline.names import FUNCTIONS
from pipeline.version import VERSION
from tests.stack import ROOT

# By a Python that knows no package, as that of the container.
_RENDER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from gateway import render
render.main(os.environ)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    keys = tmp_path / "keys"
    keys.mkdir()
    for function in FUNCTIONS:
        (keys / f"{function}-key").write_text(f"the {function}-key\n")
    return {
        "GATEWAY_DIR": str(tmp_path / "gateway"),
        "GATEWAY_ADDRESS": "127.0.0.1:18080",
        "PROVIDER_ADDRESS": "10.1.2.3:8081",
        "NJS_MODULE": "/usr/lib/nginx/modules/ngx_http_js_module.so",
        "KEYS_DIR": str(tmp_path / "known"),
        "KEYS_USED_DIR": str(tmp_path / "used"),
        "FUNCTION_KEYS_DIR": str(keys),
    }


def test_only_upper_case_names_in_braces_are_filled_in() -> None:
    text = "listen ${GATEWAY_PORT}; return 200 $request_id${lower};\n"

    filled = render.fill_in("any.conf", text, {"GATEWAY_PORT": "18080"})

    assert filled == "listen 18080; return 200 $request_id${lower};\n"


def test_a_placeholder_without_a_value_is_refused() -> None:
    with pytest.raises(ValueError, match=r"any.conf has unknown placeholders: NOBODY"):
        render.fill_in("any.conf", "listen ${NOBODY};", {})


def test_a_container_has_all_that_it_is_made_of(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Nothing but what its recipe copies; the package's files lie where another step puts them."""
    recipe = (ROOT / "gateway" / "Dockerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (?!--)(.+)$", recipe.rpartition("WORKDIR")[2], re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            if source.endswith("/"):
                shutil.copytree(ROOT / source, tmp_path / target, dirs_exist_ok=True)
            else:
                (tmp_path / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, tmp_path / target)
    spec = importlib.util.find_spec("fastapi_offline")
    assert spec
    assert spec.origin
    shutil.copytree(Path(spec.origin).parent, tmp_path / "fastapi_offline")

    done = subprocess.run(
        [getattr(sys, "_base_executable", sys.executable), "-I", "-c", _RENDER, str(tmp_path)],
        env=environment, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert (Path(environment["GATEWAY_DIR"]) / "web" / "openapi.json").is_file()


def test_everything_that_nginx_reads_is_made_for_its_owner_alone(
    environment: dict[str, str],
) -> None:
    render.main(environment)

    folder = Path(environment["GATEWAY_DIR"])
    made = {path.name: path for path in folder.iterdir() if path.is_file()}
    assert made.keys() == {
        *("nginx.conf", "answer-headers.conf", "cors.conf"),
        *("bearer.conf", "bearer-server.conf", "openfaas-errors.conf", "function-keys.map"),
        *("identity.js", "rates.js", "openfaas-errors.js"),
    }
    assert {path.stat().st_mode & 0o777 for path in made.values()} == {0o600}
    assert "listen 127.0.0.1:18080 " in made["nginx.conf"].read_text()
    assert f'"version":"{VERSION}"' in made["nginx.conf"].read_text()
    known = Path(environment["KEYS_DIR"])
    assert f'js_var $keys_dir "{known}";' in made["nginx.conf"].read_text()
    assert 'image-upload "the image-upload-key";\n' in made["function-keys.map"].read_text()


def test_bearer_tokens_are_asked_about_where_there_is_a_verifier(
    environment: dict[str, str],
) -> None:
    render.main(environment)
    folder = Path(environment["GATEWAY_DIR"])
    without = {path.name: path.read_text() for path in folder.glob("*.conf")}
    render.main({**environment, "OIDC_ADDRESS": "127.0.0.1:18085"})
    asked = {path.name: path.read_text() for path in folder.glob("*.conf")}

    assert without["bearer-server.conf"] == ""
    assert "Bearer" not in without["nginx.conf"].replace("bearer", "")
    assert "auth_request /_bearer;" in asked["bearer-server.conf"]
    assert "server 127.0.0.1:18085;" in asked["bearer.conf"]
    assert "Authorization: Bearer" in asked["nginx.conf"]


def test_the_console_is_led_to_where_there_is_one(environment: dict[str, str]) -> None:
    render.main(environment)
    render.main({**environment, "CONSOLE_ADDRESS": "10.1.2.4:9001"})

    (console,) = (Path(environment["GATEWAY_DIR"]) / "servers").iterdir()
    assert "proxy_pass http://10.1.2.4:9001;" in console.read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"MAX_IMAGE_BYTES": "many"}, "MAX_IMAGE_BYTES='many': expected a whole number from 1"),
        ({"FUNCTION_KEYS_DIR": "/nowhere"}, "/nowhere/image-upload-key"),
        ({"KEY_RATE": "fast"}, "KEY_RATE='fast', KEY_BURST='': the rate is 'fast'; allowed: 50/s"),
        ({"KEY_RATE": "2/s", "KEY_BURST": "0"}, "the burst is 0; allowed: 1 to 7200"),
        ({"KEY_RATE": "2/s", "KEY_BURST": "-1"}, "KEY_BURST='-1': expected a whole number"),
        ({"CORS_ORIGINS": "https://a.example/"}, "CORS_ORIGINS: 'https://a.example/': expected"),
    ],
)
def test_what_cannot_be_made_is_said(
    environment: dict[str, str], given: dict[str, str], said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.render"],
        cwd=ROOT,
        env={**environment, **given},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("told", "expected"),
    [({}, "10.1.2.3:8081"), ({"ASYNC_CALLS_ADDRESS": "10.9.8.7:8084"}, "10.9.8.7:8084")],
)
def test_calls_for_later_go_to_the_provider_or_where_the_environment_says(
    environment: dict[str, str], told: dict[str, str], expected: str
) -> None:
    render.main({**environment, **told})

    text = (Path(environment["GATEWAY_DIR"]) / "nginx.conf").read_text()
    assert f"upstream queue {{\n        server {expected};" in text
    assert "upstream openfaas {\n        server 10.1.2.3:8081;" in text
