"""What a folder of build/ is run as follows from its files and from the request."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.provider.deployments.image import Image, Kind, at_home, look
from local.provider.deployments.spec import Spec

WATCHED = 'FROM x/of-watchdog:1 AS w\nFROM y\nCOPY --from=w /a /b\nCMD ["fwatchdog"]\n'
CLASSIC = WATCHED.replace("of-watchdog", "classic-watchdog")
SERVER = 'FROM x\nCMD ["node", "server.js"]\n'
OWN = "language: python3-pipeline\nfprocess: python index.py\n"


def seen(folder: Path, files: dict[str, str], **request: object) -> Image:
    for name, text in files.items():
        (folder / name).write_text(text)
    return look(folder, Spec({"service": "f", "image": "f", **request}))


@pytest.mark.parametrize(
    ("files", "request_", "expected"),
    [
        # ours, whatever else there is
        ({"template.yml": OWN}, {}, (Kind.OWN, "none", "python index.py")),
        ({"template.yml": OWN, "Dockerfile": SERVER}, {}, (Kind.OWN, "none", "python index.py")),
        ({"template.yml": OWN}, {"envProcess": "a b"}, (Kind.OWN, "none", "a b")),
        # no image at all: a program
        ({}, {"envProcess": "env"}, (Kind.WATCHDOG, "classic", "env")),
        ({}, {"envVars": {"fprocess": "env"}}, (Kind.WATCHDOG, "classic", "env")),
        (
            {},
            {"envProcess": "cat", "envVars": {"mode": "streaming"}},
            (Kind.WATCHDOG, "streaming", "cat"),
        ),
        (
            {"server.py": "listen(os.environ['PORT'])"},
            {"envProcess": "python -u server.py"},
            (Kind.OWN, "none", "python -u server.py"),
        ),
        (
            {"handler.py": "print(IMPORT)"},
            {"envProcess": "python handler.py"},
            (Kind.WATCHDOG, "classic", "python handler.py"),
        ),
        (
            {"server.py": "PORT"},
            {"envProcess": "python server.py", "envVars": {"mode": "streaming"}},
            (Kind.WATCHDOG, "streaming", "python server.py"),
        ),
        # an image with a watchdog
        ({"Dockerfile": CLASSIC}, {"envProcess": "cat"}, (Kind.WATCHDOG, "classic", "cat")),
        ({"Dockerfile": WATCHED}, {"envProcess": "cat"}, (Kind.WATCHDOG, "streaming", "cat")),
        (
            {"Dockerfile": WATCHED + "ENV mode=serializing fprocess=a\n"},
            {},
            (Kind.WATCHDOG, "serializing", "a"),
        ),
        (
            {"Dockerfile": WATCHED + "ENV mode=serializing fprocess=a\n"},
            {"envProcess": "b", "envVars": {"mode": "streaming"}},
            (Kind.WATCHDOG, "streaming", "b"),
        ),
        ({"Dockerfile": "FROM z\nENV fprocess=a\n"}, {}, (Kind.WATCHDOG, "classic", "a")),
        # one without
        ({"Dockerfile": SERVER}, {}, (Kind.SERVER, "none", "node server.js")),
        (
            {"Dockerfile": SERVER},
            {"envVars": {"mode": "x"}},
            (Kind.SERVER, "none", "node server.js"),
        ),
        ({"Dockerfile": "FROM scratch"}, {"envProcess": "a"}, (Kind.SERVER, "none", "a")),
        # told by an annotation
        (
            {"Dockerfile": SERVER},
            {"annotations": {"com.openfaas.local.watchdog": "none"}},
            (Kind.OWN, "none", "node server.js"),
        ),
        (
            {"Dockerfile": SERVER},
            {"annotations": {"com.openfaas.local.watchdog": "classic"}, "envProcess": "env"},
            (Kind.WATCHDOG, "classic", "env"),
        ),
    ],
)
def test_kind_mode_and_process(
    tmp_path: Path,
    files: dict[str, str],
    request_: dict[str, object],
    expected: tuple[Kind, str, str],
) -> None:
    image = seen(tmp_path, files, **request_)

    assert (image.kind, image.mode, image.process) == expected


@pytest.mark.parametrize(
    ("url", "port"),
    [("http://127.0.0.1:5000", 5000), ("127.0.0.1:8082", 8082), ("http://localhost:80/", 80)],
)
def test_port_of_mode_http_is_upstream_url_s(tmp_path: Path, url: str, port: int) -> None:
    env = {"mode": "http", "upstream_url": url}

    assert seen(tmp_path, {}, envProcess="a", envVars=env).port == port


def test_newer_name_of_upstream_url_counts_first(tmp_path: Path) -> None:
    env = {"mode": "http", "upstream_url": "x:1", "http_upstream_url": "x:2"}

    assert seen(tmp_path, {}, envProcess="a", envVars=env).port == 2


@pytest.mark.parametrize(("exposed", "port"), [("", 8080), ("5000", 5000), ("1 2", 8080)])
def test_server_is_expected_where_its_image_exposes_it(
    tmp_path: Path, exposed: str, port: int
) -> None:
    recipe = SERVER + (f"EXPOSE {exposed}\n" if exposed else "")

    assert seen(tmp_path, {"Dockerfile": recipe}).port == port


@pytest.mark.parametrize(
    ("files", "request_", "message"),
    [
        ({}, {}, "envProcess is empty"),
        ({"template.yml": "language: python3-pipeline"}, {}, "envProcess is empty"),
        ({"Dockerfile": WATCHED}, {}, "envProcess is empty"),
        ({"template.yml": "a: b: c"}, {}, "template.yml cannot be read"),
        ({}, {"envProcess": "a", "envVars": {"mode": "static"}}, "mode is 'static'; allowed are"),
        ({}, {"envProcess": "a", "envVars": {"mode": "http"}}, "upstream_url is ''; it must say"),
        (
            {},
            {"envProcess": "a", "envVars": {"mode": "http", "upstream_url": "x:99999"}},
            "such as http://127.0.0.1:5000",
        ),
        ({"Dockerfile": 'FROM a\nCMD ["fwatchdog"]\nENV fprocess="a \'b"'}, {}, "is no command"),
    ],
)
def test_what_cannot_be_run_says_why(
    tmp_path: Path, files: dict[str, str], request_: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        seen(tmp_path, files, **request_)


def test_environment_and_folder_of_the_image_count_but_not_its_machine(tmp_path: Path) -> None:
    (tmp_path / "function").mkdir()
    env = "ENV GREETING=hello PATH=/nowhere PORT=1 HOME=/home/app\nWORKDIR /home/app/function\n"
    image = seen(tmp_path, {"Dockerfile": SERVER + env})

    assert image.env == {"GREETING": "hello"}
    assert image.folder(tmp_path) == tmp_path / "function"


@pytest.mark.parametrize("folder", ["/srv", "/home/app/never-made", "/"])
def test_folder_that_is_not_there_is_the_builds(tmp_path: Path, folder: str) -> None:
    image = seen(tmp_path, {"Dockerfile": f"{SERVER}WORKDIR {folder}\n"})

    assert image.folder(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/app/function", "HERE/function"),
        ("bash /home/app/a.sh /home/app", "bash HERE/a.sh HERE"),
        ("a:/home/app/b:/home/application", "a:HERE/b:/home/application"),
        ("--dir=/home/app", "--dir=HERE"),
        ("/srv/home/app", "/srv/home/app"),
    ],
)
def test_home_of_a_container_is_the_function_s_folder(text: str, expected: str) -> None:
    assert at_home(text, Path("HERE")) == expected
