"""The data folder: its lock, its master key and `admin.json`. Everything in it is readable by its owner alone.

DATA/lock           held (flock) by a running server and its workers
DATA/master.key     32 random bytes as hex, unless the master key comes from elsewhere (key_sources.py)
DATA/keyring.json   what rotations of the master key left to be opened (keyring.py)
DATA/rotation.lock  held by a rotation, and shared by snapshots, which need keys and data of one moment
DATA/admin.json     how to reach this server and as whom; written anew at each start
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bucketry.kernel import ids
from bucketry.serve.errors import FolderInUse, KeysInUse, ServeError

LOCK_WAIT_SECONDS = 10.0  # a killed server's workers need a moment to notice and go


class Admin(msgspec.Struct, frozen=True):
    """`admin.json`, SERVICE section 7."""

    api_url: str = ""
    token: str = ""
    broker_username: str = ""
    broker_password: str = ""
    s3_endpoint: str = ""
    website_endpoint: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    region: str = ""

    def __repr__(self) -> str:
        return f"Admin(api_url={self.api_url!r}, s3_endpoint={self.s3_endpoint!r})"


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths in one data folder."""

    root: Path

    @property
    def admin_file(self) -> Path:
        return self.root / "admin.json"

    @property
    def master_key_file(self) -> Path:
        return self.root / "master.key"

    @property
    def keyring_file(self) -> Path:
        return self.root / "keyring.json"

    @property
    def identity_file(self) -> Path:
        return self.root / "identity.sqlite"

    @property
    def marketplace_file(self) -> Path:
        return self.root / "marketplace.sqlite"

    def make(self) -> None:
        """Create the folder where it is missing, safe against a power cut. An existing one keeps its mode."""
        try:
            missing = [path for path in (self.root, *self.root.parents) if not path.exists()]
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in missing:
                _sync_folder(path.parent)
        except OSError as problem:
            raise ServeError(
                f"The data folder {self.root} can't be made: {problem.strerror}. Choose another with --data."
            ) from None
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise ServeError(f"The data folder {self.root} can't be written to. Mend its owner or mode.")

    def lock(self) -> int:
        """Take the folder for this server; the descriptor is inherited by its workers and must stay open."""
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as problem:
                if problem.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
            else:
                with contextlib.suppress(OSError):  # no room: then who comes second waits before it is told
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
            if self._holder_lives() or time.monotonic() > deadline:
                raise FolderInUse(
                    f"Another bucketry serves the data folder {self.root}. Stop it, or give --data another."
                )
            time.sleep(0.05)

    def is_served(self) -> bool:
        """Whether a server has the folder."""
        try:
            descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _holder_lives(self) -> bool:
        """Whether the server that wrote its number into the lock still runs (its workers may outlive it shortly)."""
        try:
            number = int((self.root / "lock").read_text() or "0")
            os.kill(number, 0)
        except (ValueError, ProcessLookupError):
            return False
        except PermissionError:
            return True
        return number > 0

    @contextlib.contextmanager
    def keys_held(self, *, is_shared: bool = False) -> Iterator[None]:
        """Nobody changes the master key meanwhile; unless `is_shared`, nobody copies it either. KeysInUse."""
        descriptor = os.open(self.root / "rotation.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                other = "The master key is being rotated" if is_shared else "A snapshot or another rotation is at work"
                raise KeysInUse(f"{other} in {self.root}. Try again when it is done.") from None
            yield
        finally:
            os.close(descriptor)

    def read_admin(self) -> Admin:
        """admin.json, or an empty one where there is none. A damaged one is an error: it may hold the only token."""
        try:
            return msgspec.json.decode(self.admin_file.read_bytes(), type=Admin)
        except FileNotFoundError:
            return Admin()
        except msgspec.DecodeError:
            raise ServeError(
                f"{self.admin_file} is damaged. Put it back from a backup, or remove it: the next start makes new "
                "administrator credentials."
            ) from None

    def write_admin(self, admin: Admin) -> None:
        write_private(self.admin_file, msgspec.json.format(msgspec.json.encode(admin), indent=2) + b"\n")


def write_private(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, for its owner alone, safe against a power cut."""
    temporary = path.with_name(f".{path.name}.{ids.hex_id(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
