"""Cloud Foundry's app manifest, as far as it says which apps there are and which services they are bound to.

https://docs.cloudfoundry.org/devguide/deploy-apps/manifest-attributes.html. What concerns running an app (memory,
buildpacks, routes) is read and left alone; what names apps and services is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bucketry.cli.errors import USAGE, CliError
from bucketry.cli.yaml_subset import YamlError, parse_yaml

MAX_MANIFEST_SIZE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Service:
    """A service instance that an app is to be bound to. `parameters` and `binding_name` None: not given."""

    instance: str
    binding_name: str | None = None
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class App:
    name: str
    services: tuple[Service, ...]


def read_manifest(path: Path, default_name: str | None = None) -> list[App]:
    """The apps of a manifest file. `default_name`: that of a single app which has none."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_MANIFEST_SIZE_BYTES + 1)
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise CliError(f"there is no manifest {path}", "Check the path given with -f.", exit_code=USAGE) from None
    except UnicodeDecodeError:
        raise _invalid(path, "it is not UTF-8 text") from None
    except OSError as error:
        raise CliError(f"{path} can't be read: {error.strerror}", "Mend its rights.", exit_code=USAGE) from None
    if len(content) > MAX_MANIFEST_SIZE_BYTES:
        raise _invalid(path, "it is longer than 1 MiB")
    try:
        document = parse_yaml(text)
    except YamlError as error:
        raise _invalid(path, str(error)) from None
    return _apps(path, document, default_name)


def _invalid(path: Path, reason: str) -> CliError:
    return CliError(f"manifest {path} can't be used: {reason}", "Mend it and push again.", exit_code=USAGE)


def _apps(path: Path, document: Any, default_name: str | None) -> list[App]:
    if not isinstance(document, dict) or not isinstance(document.get("applications"), list):
        raise _invalid(path, "it has no list of `applications`")
    entries = document["applications"]
    if not entries:
        raise _invalid(path, "its list of `applications` is empty")
    apps = []
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise _invalid(path, f"application {number} is not a mapping")
        name = entry.get("name")
        if name is None and len(entries) == 1 and default_name is not None:
            name = default_name
        name = _name(path, name, f"application {number}")
        services = entry.get("services") or []
        if not isinstance(services, list):
            raise _invalid(path, f"`services` of {name} is not a list")
        apps.append(App(name, tuple(_service(path, name, service) for service in services)))
    names = [app.name for app in apps]
    if len(set(names)) != len(names):
        raise _invalid(path, "two applications have the same name")
    return apps


def _service(path: Path, app: str, entry: Any) -> Service:
    if not isinstance(entry, dict):
        return Service(_name(path, entry, f"a service of {app}"))
    name = _name(path, entry.get("name"), f"a service of {app}")
    parameters = entry.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise _invalid(path, f"`parameters` of service {name} of {app} is not a mapping")
    binding_name = entry.get("binding_name")
    if binding_name is not None:
        binding_name = _name(path, binding_name, f"the binding_name of service {name} of {app}")
    return Service(name, binding_name, parameters)


def _name(path: Path, value: Any, what: str) -> str:
    if value is None:
        raise _invalid(path, f"{what} has no name")
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        raise _invalid(path, f"the name of {what} is not a text; put it in quotes")
    name = str(value)
    if "((" in name:
        raise _invalid(path, f"{what} is named by a variable, {name}, which bucketry does not fill in")
    if not name.strip():
        raise _invalid(path, f"{what} has an empty name")
    return name
