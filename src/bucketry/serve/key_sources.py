"""Where the master key comes from: a file, the environment, or a command's output. Exactly one of them.

Each holds keys as 64 hex digits, one or several: the first seals, the others only open what was sealed before. A text
about a wrong one names the source and never what it holds.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from bucketry.kernel import envelope
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import DataFolder, write_private
from bucketry.serve.settings import Settings

VARIABLE = "BUCKETRY_MASTER_KEY"
MAX_KEYS = 16
_COMMAND_SECONDS = 20.0
_SEPARATORS = re.compile(r"[\s,]+")
_COMMENT = re.compile(r"#[^\n]*")


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file, looked at again when it changed. `is_default`: it is the data folder's own."""

    path: Path
    is_default: bool

    @property
    def name(self) -> str:
        return str(self.path)

    def read(self) -> tuple[bytes, ...]:
        try:
            text = self.path.read_text(encoding="ascii")
        except FileNotFoundError:
            raise ServeError(
                f"{self.path} is missing, and the secrets of this server can't be read without it. "
                "Put it back from a backup."
            ) from None
        except (OSError, UnicodeDecodeError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "it is not text"
            raise ServeError(f"The master key {self.path} can't be read: {reason}.") from None
        return parse_keys(text, f"{self.path} is damaged", "Put it back from a backup")

    def write(self, keys: tuple[bytes, ...]) -> None:
        """Replace the file as a whole. ServeError where that can't be."""
        try:
            write_private(self.path, b"".join(key.hex().encode() + b"\n" for key in keys))
        except OSError as problem:
            raise ServeError(
                f"The master key {self.path} can't be written: {problem.strerror}. Change it by hand, as "
                "docs/operations.md says for keys that come from elsewhere."
            ) from None


@dataclass(frozen=True, slots=True)
class GivenSource:
    """The variable, as it was when the server began."""

    keys: tuple[bytes, ...] = field(repr=False)
    name: str = VARIABLE

    def read(self) -> tuple[bytes, ...]:
        return self.keys


@dataclass(frozen=True, slots=True)
class CommandSource:
    """A command, run without a shell, whose output is the key."""

    command: str
    seconds: float = _COMMAND_SECONDS

    @property
    def name(self) -> str:
        return "[secrets] master_key_command"

    def read(self) -> tuple[bytes, ...]:
        """Run it. Blocks. ServeError: it fails, or takes too long; what it said is not shown, it may be secret."""
        try:
            process = subprocess.Popen(
                shlex.split(self.command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else problem
            raise ServeError(f"{self.name} can't be run: {reason}.") from None
        try:
            output, _ = process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            raise ServeError(
                f"{self.name} gave no key within {self.seconds:g} seconds. Run it by hand to see what it waits for."
            ) from None
        finally:
            _end(process)
        if process.returncode:
            raise ServeError(f"{self.name} ended with exit code {process.returncode}. Run it by hand to see why.")
        return parse_keys(output.decode("ascii", "replace"), f"The output of {self.name} is no master key")


Source = FileSource | GivenSource | CommandSource


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of it goes on, those that it started included."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def parse_keys(text: str, problem: str, advice: str = "Make one with `openssl rand -hex 32`") -> tuple[bytes, ...]:
    """Keys of 64 hex digits each, apart by white space or commas; `#` begins a comment. ServeError."""
    words = [word for word in _SEPARATORS.split(_COMMENT.sub("", text)) if word]
    try:
        keys = tuple(dict.fromkeys(bytes.fromhex(word) for word in words))
    except ValueError:
        keys = ()
    if not 1 <= len(keys) <= MAX_KEYS or any(len(key) != envelope.KEY_SIZE_BYTES for key in keys):
        raise ServeError(f"{problem}: it must hold 64 hex digits a key, in 1 to {MAX_KEYS} keys. {advice}.")
    return keys


def choose(folder: DataFolder, settings: Settings, environment: MutableMapping[str, str]) -> Source:
    """The one source that is configured. The variable is taken out of `environment`, so that no child has it.

    ServeError: there are two, or the variable holds no key.
    """
    given = environment.pop(VARIABLE, None)
    named = [VARIABLE] if given is not None else []
    named += [f"[secrets] {key}" for key in ("master_key_file", "master_key_command") if getattr(settings.secrets, key)]
    if len(named) > 1:
        raise ServeError(f"The master key comes from {' and from '.join(named)}. Give exactly one of them.")
    if settings.secrets.master_key_file:
        return FileSource(Path(settings.secrets.master_key_file).absolute(), is_default=False)
    if not named:
        return FileSource(folder.master_key_file, is_default=True)
    if folder.master_key_file.exists():
        raise ServeError(
            f"The master key comes from {named[0]}, and {folder.master_key_file} is there too. If it is the same key, "
            "remove the file; else take the setting away."
        )
    if given is not None:
        return GivenSource(parse_keys(given, f"The variable {VARIABLE} is no master key"))
    return CommandSource(settings.secrets.master_key_command)
