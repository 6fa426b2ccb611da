"""Code that reads secrets where OpenFaaS has them is found where nobody gives it that folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.provider.deployments import version
from local.provider.deployments.secrets import Secrets
from local.provider.deployments.spec import Spec
from local.provider.deployments.usual_folder import who_needs_it
from local.provider.refusal import Refused
from local.provider.settings import Settings
from tests.stack import ROOT

READS = 'open("/var/openfaas/secrets/api-key")'


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("handler.py", READS, "function/handler.py"),
        ("handler.js", READS, "function/handler.js"),
        ("run", READS, "function/run"),
        ("handler.py", f"os.environ.get('SECRETS_DIR') or {READS}", ""),
        ("settings.py", 'secrets_dir: str = "/var/openfaas/secrets"  # or the variable', ""),
        ("README.md", READS, ""),
        ("handler.py", "print()", ""),
    ],
)
def test_code_that_knows_no_other_folder(tmp_path: Path, name: str, text: str, found: str) -> None:
    (tmp_path / "function").mkdir()
    (tmp_path / "function" / name).write_text(text)

    assert who_needs_it(tmp_path) == found


@pytest.mark.parametrize("room", ["pipeline", "functions", "template"])
def test_our_own_code_needs_it_nowhere(room: str) -> None:
    assert who_needs_it(ROOT / room) == ""


def test_it_is_refused_where_only_root_could_give_the_folder(tmp_path: Path) -> None:
    state, build = tmp_path / "state", tmp_path / "build" / "f"
    settings = Settings.from_env({"STATE_DIR": str(state), "BUILD_DIR": str(build.parent)})
    settings.make_folders()
    settings.secrets_dir.mkdir()
    (settings.secrets_dir / "api-key").write_text("secret")
    build.mkdir(parents=True)
    (build / "handler.py").write_text(READS)
    secrets = Secrets(settings.secrets_dir, settings.replicas_dir)
    request = {"service": "f", "image": "f", "envProcess": "cat"}
    spec = Spec({**request, "secrets": ["api-key"]})

    with pytest.raises(Refused, match=r"handler.py reads /var/openfaas/secrets.*\$SECRETS_DIR"):
        version.make(spec, settings, secrets, has_usual_folder=False)

    version.make(spec, settings, secrets, has_usual_folder=True)
    version.make(Spec(request), settings, secrets, has_usual_folder=False)
