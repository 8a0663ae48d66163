"""What a command knows while it runs: its server, the target org and space, and who is asking.

The target is remembered in `$XDG_CONFIG_HOME/bucketry/config.toml` (mode 0600); `BUCKETRY_ORG` and `BUCKETRY_SPACE` go
before it, and both are `default` where nothing is said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bucketry.cli.errors import USAGE, CliError
from bucketry.cli.locate import Address, find_server
from bucketry.cli.target_file import DEFAULT_NAME, Target, read_target

if TYPE_CHECKING:
    from bucketry.cli.client import Client


class Session:
    """Made once a command, before its options are read; asks the server nothing until it is needed."""

    def __init__(self) -> None:
        self.environment: Mapping[str, str] = os.environ
        self.data_option: str | None = None
        self.verbose = False

    @cached_property
    def address(self) -> Address:
        return find_server(self.data_option, self.environment)

    @cached_property
    def client(self) -> Client:
        from bucketry.cli.client import Client  # a third of the time that the program takes to load

        return Client(self.address, verbose=self.verbose)

    @cached_property
    def target(self) -> Target:
        """The org and space that commands work in."""
        return effective_target(self.environment)

    @cached_property
    def info(self) -> dict[str, Any]:
        """What the server says of itself and of who is asking."""
        value = self.client.get("info")
        if not isinstance(value, dict) or not isinstance(value.get("user"), str):
            raise CliError(f"{self.address.url} does not say who is asking", "Is it a bucketry server of this version?")
        return value

    @property
    def user(self) -> str:
        return str(self.info["user"])

    @property
    def place(self) -> str:
        """`org ORG / space SPACE as USER`, the end of cf's first lines."""
        return f"org {self.target.org} / space {self.target.space} as {self.user}"

    def space_path(self, *rest: str) -> tuple[str, ...]:
        """Path segments of something in the target space."""
        if not self.target.space:
            raise CliError(
                f"no space of org {self.target.org} is targeted",
                "Choose one with `bucketry target -s SPACE`, or make one with `bucketry create-space SPACE`.",
                exit_code=USAGE,
            )
        return ("orgs", self.target.org, "spaces", self.target.space, *rest)

    def instance_path(self, name: str, *rest: str) -> tuple[str, ...]:
        """Path segments of a service instance in the target space, or of something of it."""
        return self.space_path("instances", name, *rest)


def config_file(environment: Mapping[str, str]) -> Path:
    """Where the target is remembered."""
    configured = environment.get("XDG_CONFIG_HOME", "")
    base = Path(configured) if configured.startswith("/") else Path(environment.get("HOME") or Path.home()) / ".config"
    return base / "bucketry" / "config.toml"


def effective_target(environment: Mapping[str, str]) -> Target:
    """The remembered target with what the environment says instead."""
    saved = read_target(config_file(environment))
    org = environment.get("BUCKETRY_ORG") or saved.org
    # A space that was remembered with another org says nothing about this one.
    space = saved.space if org == saved.org else DEFAULT_NAME
    return Target(org, environment.get("BUCKETRY_SPACE") or space)
