"""The master keys of one process, and the envelopes that are made of them, one a purpose.

The first key seals, all open. A file is looked at (a stat) before something is sealed and when a value needs a key
that isn't known: so a server learns of a rotation without being told. A command is run again at SIGHUP, and by a worker
that takes a dead one's place; the variable is what it was.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path

from bucketry.kernel import envelope, logs
from bucketry.kernel.clock import system_clock_ms
from bucketry.kernel.envelope import Envelope, derive_key
from bucketry.serve import key_sources, keyring
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import DataFolder
from bucketry.serve.key_sources import CommandSource, FileSource, Source
from bucketry.serve.settings import Settings

log = logs.get("keys")
_FRESH_SECONDS = 30.0


class MasterKeys:
    """ServeError at the start: the source has no key. Later the keys that were read last stay, and the log says so."""

    def __init__(self, source: Source, keyring_file: Path) -> None:
        self.source = source
        self.keyring_file = keyring_file
        self._lock = threading.Lock()
        self._keyring = keyring.Keyring()
        self._stamp = self._stamp_now()
        self._masters = source.read()
        self._keyring = keyring.read(keyring_file)
        self._derived: dict[str, Sequence[bytes]] = {}
        self._read_at = time.monotonic()

    def __repr__(self) -> str:
        return f"MasterKeys({self.source.name})"

    @property
    def masters(self) -> tuple[bytes, ...]:
        with self._lock:
            self._look()
            return self._masters

    @property
    def keyring(self) -> keyring.Keyring:
        with self._lock:
            self._look()
            return self._keyring

    @property
    def is_renewable(self) -> bool:
        """Whether renew() can bring another key."""
        return isinstance(self.source, CommandSource)

    def envelope(self, purpose: str) -> Envelope:
        """Seals and opens what is of this purpose."""
        return Envelope(self._of(purpose))

    def renew(self, *, at_least: bool = True) -> None:
        """Run the command again, where the key comes from one; not `at_least`: if the last run is a while ago."""
        if not self.is_renewable or (not at_least and time.monotonic() - self._read_at < _FRESH_SECONDS):
            return
        try:
            masters = self.source.read()
        except ServeError as problem:
            log.error("the master key could not be read again; the one from before is used", reason=str(problem))
            return
        with self._lock:
            self._masters, self._derived, self._read_at = masters, {}, time.monotonic()
        log.info("the master key was read again", keys=len(masters))

    def _of(self, purpose: str) -> Callable[[], Sequence[bytes]]:
        def ask() -> Sequence[bytes]:
            with self._lock:
                self._look()
                found = self._derived.get(purpose)
                if found is None:
                    derived = [derive_key(master, purpose) for master in self._masters]
                    kept = keyring.open_kept(self._keyring, self._masters, purpose, system_clock_ms())
                    found = self._derived[purpose] = (*derived, *kept)
                return found

        return ask

    def _look(self) -> None:
        """Read the files again where they changed."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        try:
            masters = self.source.read() if isinstance(self.source, FileSource) else self._masters
            self._keyring = keyring.read(self.keyring_file)
            self._masters, self._derived = masters, {}
        except ServeError as problem:
            log.error("the master key could not be read again; the one from before is used", reason=str(problem))
        self._stamp = stamp

    def _stamp_now(self) -> tuple[object, ...]:
        watched = [self.keyring_file]
        if isinstance(self.source, FileSource):
            watched.append(self.source.path)
        now_ms = system_clock_ms()
        over = sum(kept.is_over(now_ms) for kept in self._keyring.kept)
        return (over, *(_stamp(path) for path in watched))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def open_keys(
    folder: DataFolder,
    settings: Settings,
    *,
    may_create: bool = False,
    environment: MutableMapping[str, str] | None = None,
) -> MasterKeys:
    """The master keys of a data folder. `may_create`: the folder's own file is made at the first start; missing beside
    existing data it is an error, never made anew. ServeError."""
    source = key_sources.choose(folder, settings, os.environ if environment is None else environment)
    if isinstance(source, FileSource) and not source.path.exists():
        if not source.is_default and not folder.identity_file.exists():
            raise ServeError(
                f"[secrets] master_key_file {source.path} is missing. Make it with `openssl rand -hex 32`, readable "
                "by the server alone."
            )
        if may_create and source.is_default and not folder.identity_file.exists():
            source.write((envelope.new_key(),))
    return MasterKeys(source, folder.keyring_file)
