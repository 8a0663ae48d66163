"""Names and calls that are kept out, and the modules that must say what they are for."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
BANNED_MODULES = {"utils", "util", "common", "misc", "helpers", "helper"}
LARGEST_FILE_BYTES = 1_000_000

# Only disk/files.py changes what lies on the disk, so that tests can make every such call fail.
DISK_CALLS = {
    "write", "writev", "pwrite", "pwritev", "fsync", "fdatasync", "link", "rename", "replace", "unlink", "remove",
    "rmdir", "mkdir", "makedirs", "truncate", "ftruncate", "posix_fallocate", "copy_file_range", "symlink",
}  # fmt: skip
DISK_EXCEPTION = "src/bucketry/store/disk/files.py"


def tracked_files() -> list[Path]:
    """Files of the repository; without git (a source archive), all that lie in its folders."""
    asked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if asked.returncode == 0 and asked.stdout:
        return [ROOT / line for line in asked.stdout.splitlines() if (ROOT / line).is_file()]
    return [path for place in ("src", "tests", "docs", "bench") for path in (ROOT / place).rglob("*") if path.is_file()]


def test_no_module_is_a_cellar() -> None:
    named = [path for path in [*SOURCES, *(ROOT / "tests").rglob("*.py")] if path.stem in BANNED_MODULES]
    named += [path for path in (ROOT / "src").rglob("*") if path.is_dir() and path.name in BANNED_MODULES]
    assert named == []


def test_every_module_says_what_it_is_for() -> None:
    silent = []
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        if tree.body and not ast.get_docstring(tree):
            silent.append(path.relative_to(ROOT).as_posix())
    assert silent == []


def test_only_one_module_of_the_store_touches_the_disk() -> None:
    found = []
    for path in (ROOT / "src/bucketry/store/disk").rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if name == DISK_EXCEPTION:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in ("os", "shutil")
                and (node.func.attr in DISK_CALLS or node.func.value.id == "shutil")
            ):
                found.append(f"{name}:{node.lineno} {node.func.value.id}.{node.func.attr}")
    assert found == []


def test_silenced_checks_have_a_reason() -> None:
    bare = []
    for path in [*SOURCES, *(ROOT / "tests").rglob("*.py")]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            mark = re.search(r"#\s*(noqa|type:\s*ignore)(\S*)(.*)$", line)
            if mark and len(re.sub(r"^[:\[\]A-Z0-9, a-z-]*\]?", "", mark[2]) + mark[3].strip(" -#:")) < 8:
                bare.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert bare == []


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "X" + "XX"])
def test_nothing_is_left_for_later(word: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(rf"\b{word}\b", line)
    ]
    assert found == []


def test_the_repository_holds_no_large_files() -> None:
    assert [path for path in tracked_files() if path.stat().st_size > LARGEST_FILE_BYTES] == []


def test_nothing_names_the_machine_it_was_written_on() -> None:
    places = re.compile(r"/wor" + r"k/|/root" + r"/\.|pypi\.or" + r"g|registry\.npm" + r"js|deb\.debia" + r"n\.org")
    found = []
    for path in tracked_files():
        if path.suffix in (".lock", ".svg", ".png"):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if places.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    assert found == []
