"""What `make test-kubernetes` is made of, as far as it can be looked at without a cluster."""

from __future__ import annotations

import ast
import re
import string
import subprocess
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.go_tools import is_mit
from tests.kubernetes import certificates, control_plane, leftovers, skipped
from tests.kubernetes.certificates import Authority
from tests.stack import ROOT, until

HERE = ROOT / "tests" / "kubernetes"
MANIFESTS = sorted((HERE / "manifests").glob("*.yaml"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_is_whole_when_its_placeholders_are_filled_in(path: Path) -> None:
    names = set(re.findall(r"\$\{(\w+)\}", path.read_text()))
    text = string.Template(path.read_text()).substitute(dict.fromkeys(names, "10.0.0.1"))

    documents = [each for each in yaml.safe_load_all(text) if each]

    assert all({"apiVersion", "kind", "metadata"} <= each.keys() for each in documents)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_of_ours_names_no_image_of_others(path: Path) -> None:
    images = re.findall(r"^\s*image: (.*)$", path.read_text(), re.MULTILINE)

    assert [image for image in images if not image.startswith("${")] == []


def test_every_test_that_is_left_out_is_there_and_has_a_reason() -> None:
    missing = []
    for name, why in skipped.REASONS.items():
        file, _, test = name.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        known = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
        if not why or (test and test not in known):
            missing.append(name)

    assert missing == []


def test_parametrized_tests_are_left_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skipped, "REASONS", {"a.py::b": "one", "c.py": "all"})

    assert skipped.reason("a.py::b[x-y]") == "one"
    assert skipped.reason("a.py::c") is None
    assert skipped.reason("c.py::d") == "all"


def test_an_authority_vouches_for_users_and_servers(tmp_path: Path) -> None:
    authority = Authority.made(tmp_path, "ca")

    authority.issue("one", "system:node:one", ("system:nodes",), ("10.0.0.1", "one"))

    made = x509.load_pem_x509_certificate((tmp_path / "one.crt").read_bytes())
    issuer = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    made.verify_directly_issued_by(issuer)
    assert made.subject.rfc4514_string() == "CN=system:node:one,O=system:nodes"
    assert isinstance(made.public_key(), ec.EllipticCurvePublicKey)


def test_nobody_else_reads_the_keys_of_a_cluster(tmp_path: Path) -> None:
    control_plane.prepare(tmp_path / "pki")

    secret = [*tmp_path.rglob("*.key"), *tmp_path.rglob("*.kubeconfig")]
    assert len(secret) > 8
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}


def test_a_kubeconfig_names_server_user_and_authority(tmp_path: Path) -> None:
    authority = Authority.made(tmp_path, "ca")
    authority.issue("admin", "admin")

    path = certificates.kubeconfig(tmp_path, "admin", "https://10.0.0.1", authority.certificate)

    document = yaml.safe_load(path.read_text())
    assert document["clusters"][0]["cluster"]["server"] == "https://10.0.0.1"
    assert Path(document["users"][0]["user"]["client-key"]).exists()


def test_the_mit_text_is_known_whoever_holds_the_copyright() -> None:
    ours = (ROOT / "LICENSE").read_text()
    other = re.sub(r"Copyright.*", "Copyright (c) 2020 Somebody\nCopyright (c) 2021 Other", ours)

    assert is_mit(other)
    assert not is_mit(other + "\nNo commercial use.")
    assert not is_mit("")


def test_what_is_left_of_a_cluster_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "_PATIENCE_SECONDS", 0.0)
    state = tmp_path / "state"
    before = leftovers.seen(state)
    leftovers.check(before, state)

    state.mkdir()
    with pytest.raises(AssertionError, match="left of the cluster") as caught:
        leftovers.check(before, state)

    assert f"folder {state}" in str(caught.value)


def test_a_process_of_a_cluster_is_known_by_its_folder(tmp_path: Path) -> None:
    with subprocess.Popen(
        ["tail", "-f", "/dev/null", str(tmp_path)], stderr=subprocess.DEVNULL
    ) as process:
        line = f"process {process.pid} "
        try:
            # The kernel tells a program's words a moment after it has told that it runs.
            assert until(lambda: any(each.startswith(line) for each in leftovers.seen(tmp_path)))
        finally:
            process.kill()
