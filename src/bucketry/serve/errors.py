"""What can go wrong before a server runs. Each has the exit code of the command line and one clear sentence."""

from __future__ import annotations


class ServeError(Exception):
    """The server can't start or go on; the text says why and what to do."""

    exit_code = 1


class SettingsError(ServeError):
    """A setting is unknown or wrong."""

    exit_code = 2


class FolderInUse(ServeError):
    """Another server has the data folder."""

    exit_code = 5


class KeysInUse(ServeError):
    """The master key is being rotated, or copied."""

    exit_code = 5
