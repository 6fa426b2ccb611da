"""A function's requirements.txt: which lines it may have, what they ask for, and the layers."""

from __future__ import annotations

import fcntl
from importlib import metadata
from pathlib import Path

import pytest

from local.machine import files
from local.provider.refusal import Refused
from local.provider.requirements import layers, lines, pip, shared, shelf
from local.provider.requirements.shelf import Shelf

DIGEST = "a" * 64
FLASK = metadata.version("flask")


def built(folder: Path, handler: str | bytes, template: str = "", inner: str = "function") -> Path:
    """Make a folder of build/ with these files."""
    (folder / inner).mkdir()
    (folder / "requirements.txt").write_text(template)
    content = handler if isinstance(handler, bytes) else handler.encode()
    (folder / inner / "requirements.txt").write_bytes(content)
    return folder


def texts(folder: Path) -> list[str]:
    return [line.text for line in lines.read(folder)]


def test_lines_of_template_and_handler_are_read(tmp_path: Path) -> None:
    handler = f"""
        # why
        tea >= 1.2, < 2   # of leaves
        Cake[cream] == 4 ; python_version >= "3"
        coffee; sys_platform == "win32"
        milk==3 \\
            --hash=sha256:{DIGEST} \\
            --hash=sha256:{DIGEST[::-1]}
    """

    found = lines.read(built(tmp_path, handler, template="flask\n"))

    assert [line.name for line in found] == ["flask", "tea", "cake", "milk"]
    assert found[3].hashes == {DIGEST, DIGEST[::-1]}


def test_the_template_may_name_the_folder_of_the_handler(tmp_path: Path) -> None:
    folder = built(tmp_path, "tea", inner="src")
    (folder / "template.yml").write_text("handler_folder: src\n")

    assert texts(folder) == ["tea"]


@pytest.mark.parametrize("elsewhere", ["../other", "/tmp", "a/../../other"])
def test_the_template_names_no_folder_elsewhere(tmp_path: Path, elsewhere: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "requirements.txt").write_text("not ours\n")
    (tmp_path / "cup").mkdir()
    folder = built(tmp_path / "cup", "tea")
    (folder / "template.yml").write_text(f"handler_folder: {elsewhere}\n")

    assert texts(folder) == ["tea"]


def test_a_function_without_the_file_needs_nothing(tmp_path: Path) -> None:
    assert layers.read(tmp_path) is None


def test_a_byte_order_mark_is_none_of_a_name(tmp_path: Path) -> None:
    assert texts(built(tmp_path, "\ufefftea\r\n")) == ["tea"]


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "-r other.txt",
        "-c other.txt",
        "--index-url https://packages.example/simple",
        "--extra-index-url=x",
        "--find-links /tmp",
        "--no-binary :all:",
        "--pre",
        "--trusted-host x",
        "tea --index-url x",
        "tea @ https://packages.example/tea.whl",
        "https://packages.example/tea.whl",
        "git+https://packages.example/tea",
        "./tea",
        "/tmp/tea.whl",
        "tea.whl --global-option x",
        "${TEA}",
        "tea==${VERSION}",
        "tea --hash=md5:00",
        f"tea --hash=sha256:{DIGEST[:-1]}",
        "tea milk",
        "tea=1",
        "tea\0",
        "\u202etea",
    ],
)
def test_other_lines_are_refused_by_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(Refused, match=r"function/requirements\.txt line 2: found .* allowed") as it:
        lines.read(built(tmp_path, f"tea\n{line}\n"))

    assert it.value.status == 400


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"tea\n" * 101, "101 lines in all; the limit is 100"),
        (b"#" * 65_537, "larger than the limit, 65536 bytes"),
        (b"\xff\xfe", "must be UTF-8"),
    ],
)
def test_too_much_and_unreadable_files_are_refused(
    tmp_path: Path, content: bytes, said: str
) -> None:
    with pytest.raises(Refused, match=said):
        lines.read(built(tmp_path, content))


@pytest.mark.parametrize(
    "line",
    [
        "flask",
        f"Flask=={FLASK}",
        "requests[socks]; python_version < '3'",
        "redis>=1",
        "Flask[dotenv]<1; python_version<'3'",
    ],
)
def test_shared_packages_satisfy_a_line(tmp_path: Path, line: str) -> None:
    assert layers.read(built(tmp_path, line)) is None


@pytest.mark.parametrize("line", ["flask<1", "tea-of-nobody", "requests[socks]", "flask[async]"])
def test_other_versions_packages_and_extras_are_missing(tmp_path: Path, line: str) -> None:
    assert layers.read(built(tmp_path, f"flask\n{line}")) is not None


def test_a_layer_is_named_by_its_lines_alone(tmp_path: Path) -> None:
    digests = []
    for name, content in (("1", "tea\n milk  #\n"), ("2", "milk\ntea"), ("3", "milk\ntea>1")):
        (tmp_path / name).mkdir()
        digests.append(shared.digest(lines.read(built(tmp_path / name, content))))

    assert digests[0] == digests[1] != digests[2]


def test_a_layer_is_named_by_what_it_lies_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = lines.read(built(tmp_path, "tea"))
    before = shared.digest(wanted)

    monkeypatch.setattr(shared, "_installed", lambda: ["numpy==1"])

    assert shared.digest(wanted) != before


def put(store: Shelf, digest: str, content: bytes = b"1234") -> shelf.Layer:
    """Make a layer of one file."""
    with store.making(digest) as workshop:
        shelf.empty(workshop)
        (workshop / "layer" / "site").mkdir(parents=True)
        (workshop / "layer" / "site" / "tea.py").write_bytes(content)
        layer = store.put(digest, workshop, {"packages": {"tea": "1"}})
        shelf.remove(workshop)
    store.close()
    return layer


def test_a_finished_layer_is_found_whole(tmp_path: Path) -> None:
    made = put(Shelf(tmp_path), "one")

    found = Shelf(tmp_path).find("one")

    assert found == made
    assert (found.site / "tea.py").read_bytes() == b"1234"
    assert Shelf(tmp_path).find("two") is None


def test_a_layer_is_made_by_one_at_a_time(tmp_path: Path) -> None:
    with Shelf(tmp_path).making("one"), pytest.raises(files.Busy), Shelf(tmp_path).making("one"):
        pass


def test_what_a_killed_maker_left_is_removed(tmp_path: Path) -> None:
    shelf.empty(tmp_path / "unfinished-gone")
    with Shelf(tmp_path).making("busy") as workshop:
        shelf.empty(workshop)

        put(Shelf(tmp_path), "one")

        assert [path.name for path in tmp_path.glob("unfinished-*")] == ["unfinished-busy"]


def test_beyond_the_budget_the_unused_go_and_the_used_stay(tmp_path: Path) -> None:
    put(Shelf(tmp_path), "old")
    put(Shelf(tmp_path), "used")
    with (tmp_path / "used.used").open("a") as other_provider:
        fcntl.flock(other_provider, fcntl.LOCK_SH)

        put(Shelf(tmp_path, max_bytes=1), "new")

    assert sorted(path.parent.name for path in tmp_path.glob("*/layer.json")) == ["new", "used"]


def test_what_pip_could_not_reach_is_told_by_what_is_missing(tmp_path: Path) -> None:
    asked = lines.read(built(tmp_path, "flask\ntea==1.2"))
    said = [
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(…)'",
        "ERROR: No matching distribution found for tea==1.2",
    ]

    assert pip._why(asked, said).endswith("these are not installed here: tea==1.2")
    assert pip._why(asked, said[1:]).startswith("No matching distribution found for tea==1.2 (only")
