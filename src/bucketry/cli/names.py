"""Names for the shell's completion: instances, keys, apps, plans, asked from the server in a moment or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from bucketry.cli.errors import CliError
from bucketry.cli.session import Session

# A person who presses Tab waits for the answer: better no names than late ones.
BUDGET_SECONDS = 0.2

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def _ask(context: click.Context, path: Callable[[Session], tuple[str, ...]]) -> list[dict[str, Any]]:
    from bucketry.cli.client import Client  # asked by nobody but a shell at Tab

    session = context.ensure_object(Session)
    try:
        value = Client(session.address, timeout_seconds=BUDGET_SECONDS).get(*path(session))
    except (CliError, OSError):
        return []
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _completer(path: Callable[[Session], tuple[str, ...]]) -> Completer:
    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        names = [str(item.get("name", "")) for item in _ask(context, path)]
        return sorted(name for name in names if name.startswith(incomplete))

    return complete


instances = _completer(lambda session: session.space_path("instances"))
apps = _completer(lambda session: session.space_path("apps"))
orgs = _completer(lambda _session: ("orgs",))
spaces = _completer(lambda session: ("orgs", session.target.org, "spaces"))
services = _completer(lambda _session: ("catalog",))


def keys(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Keys of the instance that was named before."""
    instance = context.params.get("instance")
    if not instance:
        return []
    found = _ask(context, lambda session: session.instance_path(str(instance), "keys"))
    return sorted(str(key["name"]) for key in found if str(key.get("name", "")).startswith(incomplete))


def plans(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Plans of the service that was named before, or of all."""
    service = context.params.get("service")
    found = _ask(context, lambda _session: ("catalog",))
    offered = [plan for item in found if service in (None, item.get("name")) for plan in item.get("plans", [])]
    return sorted(str(plan["name"]) for plan in offered if str(plan.get("name", "")).startswith(incomplete))
