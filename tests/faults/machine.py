"""A file system with two sides: what programs see now, and what a power cut leaves of it.

The real files hold what programs see. Beside them a `Machine` keeps what lies on the disk for sure, and what was
written and not synced yet: bytes until the file is synced, names (new, renamed, removed) until their folder is. `cut`
makes the folder as it is found after a power cut: without anything that was not synced, or with a random part of it, in
any order and pages torn apart, as disks may.

A sync that fails loses the bytes that it was to write, and no later one brings them back, as Linux does it: they are
clean in memory, and not on the disk. Names that a failed sync of a folder was to write stay for the next one, as
journals keep them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

PAGE_BYTES = 4096


@dataclass(eq=False)
class File:
    """A file's bytes on the disk, and what was written since: (offset, bytes), or (size, None) for a truncation."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.pending:
            _apply(self.durable, *change)
        self.pending.clear()

    def after_cut(self, chance: Random | None) -> bytes:
        if chance is None or not self.pending:
            return bytes(self.durable)
        content = bytearray(self.durable)
        kept = chance.random()
        for offset, data in self.pending:
            for change in _pages(offset, data):
                if chance.random() < kept:
                    _apply(content, *change)
        return bytes(content)


@dataclass(eq=False)
class Folder:
    """The names in a folder: now, on the disk, and the changes between the two (removed name, new name, node)."""

    names: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[tuple[str, str, File | Folder | None]] = field(default_factory=list)

    def change(self, removed: str, name: str, node: File | Folder | None) -> None:
        _rename(self.names, removed, name, node)
        self.pending.append((removed, name, node))

    def sync(self) -> None:
        for change in self.pending:
            _rename(self.durable, *change)
        self.pending.clear()

    def after_cut(self, chance: Random | None) -> dict[str, File | Folder]:
        names = dict(self.durable)
        if chance is not None:
            kept = chance.random()
            for change in self.pending:
                if chance.random() < kept:
                    _rename(names, *change)
        return names


# What a cut leaves: files as bytes (the same object under two names: a link), folders as dictionaries.
Image = dict[str, "bytes | Image"]


class Machine:
    """What is on the disk under one root. Paths are those of the real files."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._top = _load(root, {})

    def find(self, path: Path) -> File | Folder | None:
        node: File | Folder | None = self._top
        for part in path.relative_to(self._root).parts:
            node = node.names.get(part) if isinstance(node, Folder) else None
        return node

    def file(self, path: Path) -> File:
        node = self.find(path)
        assert isinstance(node, File), path
        return node

    def folder(self, path: Path) -> Folder:
        node = self.find(path)
        assert isinstance(node, Folder), path
        return node

    def add(self, path: Path, node: File | Folder) -> None:
        """A new name for a node."""
        self.folder(path.parent).change("", path.name, node)

    def remove(self, path: Path) -> None:
        """A name goes, of a folder with all that is in it."""
        node = self.find(path)
        if node is None:
            return
        if isinstance(node, Folder):
            for name in list(node.names):
                self.remove(path / name)
        self.folder(path.parent).change(path.name, "", None)

    def rename(self, source: Path, target: Path) -> None:
        node = self.find(source)
        if source.parent == target.parent:
            self.folder(source.parent).change(source.name, target.name, node)
        else:  # either folder may be on the disk before the other
            self.folder(target.parent).change("", target.name, node)
            self.folder(source.parent).change(source.name, "", None)

    def cut(self, chance: Random | None = None) -> Image:
        """What is on the disk; with `chance` some of what was not synced, too."""
        return _image(self._top, chance, {})

    @property
    def has_unsynced(self) -> bool:
        return any(node.pending for node in _walk(self._top))


def write_out(image: Image, root: Path, made: dict[int, Path] | None = None) -> Path:
    """Make the folder that a cut left."""
    made = {} if made is None else made
    root.mkdir(parents=True)
    for name, node in image.items():
        if isinstance(node, dict):
            write_out(node, root / name, made)
        elif node and id(node) in made:
            os.link(made[id(node)], root / name)
        else:
            (root / name).write_bytes(node)
            made[id(node)] = root / name
    return root


def _load(path: Path, seen: dict[int, File]) -> Folder:
    folder = Folder()
    for child in path.iterdir():
        node: File | Folder
        if child.is_dir():
            node = _load(child, seen)
        else:
            number = child.stat().st_ino
            node = seen.setdefault(number, File(bytearray(child.read_bytes())))
        folder.names[child.name] = folder.durable[child.name] = node
    return folder


def _image(folder: Folder, chance: Random | None, done: dict[int, bytes]) -> Image:
    image: Image = {}
    for name, node in folder.after_cut(chance).items():
        if isinstance(node, Folder):
            image[name] = _image(node, chance, done)
        else:
            if id(node) not in done:
                done[id(node)] = node.after_cut(chance)
            image[name] = done[id(node)]
    return image


def _walk(folder: Folder) -> Iterator[File | Folder]:
    yield folder
    for node in folder.names.values():
        if isinstance(node, Folder):
            yield from _walk(node)
        else:
            yield node


def _rename(names: dict[str, File | Folder], removed: str, name: str, node: File | Folder | None) -> None:
    if removed:
        names.pop(removed, None)
    if name and node is not None:
        names[name] = node


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _pages(offset: int, data: bytes | None) -> Iterator[tuple[int, bytes | None]]:
    """A change as the changes of single pages, each of which is written or not."""
    if data is None:
        yield offset, None
        return
    at = 0
    while at < len(data):
        size = PAGE_BYTES - (offset + at) % PAGE_BYTES
        yield offset + at, data[at : at + size]
        at += size
