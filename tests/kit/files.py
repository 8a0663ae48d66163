"""Files and folders that tests send and fetch, and what they are compared by."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

MEBIBYTE = 1024 * 1024

# Names that file systems, URLs and XML each find odd; every program here takes them.
TREE = {
    "readme.txt": b"hello\n",
    "empty": b"",
    "a folder/with spaces.txt": b"spaces",
    "deep/er/est/leaf.bin": bytes(range(256)) * 64,
    "plus+and%percent&amp.txt": b"signs",
    "ünïcode-日本語-🪣.txt": "ünïcode".encode(),
    "just-above-the-index.bin": b"x" * 20_000,
}


def noise(size_bytes: int, seed: int = 1) -> bytes:
    """Bytes that don't compress, the same on each run."""
    return random.Random(seed).randbytes(size_bytes)


def write_tree(folder: Path, **more: bytes) -> Path:
    """TREE and `more` (name: content) as files in a new folder."""
    for name, content in {**TREE, **more}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def tree_of(folder: Path) -> dict[str, str]:
    """relative path → SHA-256, of every file in a folder."""
    return {file.relative_to(folder).as_posix(): digest(file) for file in folder.rglob("*") if file.is_file()}


def digest(file: Path) -> str:
    """SHA-256 of a file, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def sparse(file: Path, size_bytes: int) -> Path:
    """A large file that costs little: holes, with a mark in each MiB that tells it from every other."""
    with file.open("wb") as opened:
        opened.truncate(size_bytes)
        for offset in range(0, size_bytes, MEBIBYTE):
            opened.seek(offset + offset // MEBIBYTE % 1000)
            opened.write(noise(64, seed=offset)[: size_bytes - opened.tell()])
    return file
