"""Apps, which are names that services are bound to: push, apps, delete."""

from __future__ import annotations

from pathlib import Path

import click

from bucketry.cli import output
from bucketry.cli.bindings import app_argument, binding_body
from bucketry.cli.command import json_option, server_command
from bucketry.cli.confirm import confirmed
from bucketry.cli.errors import PARTLY_DONE, USAGE, ApiError, CliError
from bucketry.cli.manifest import App, read_manifest
from bucketry.cli.parameters import force_option
from bucketry.cli.session import Session

DEFAULT_MANIFESTS = ("manifest.yml", "manifest.yaml")


@server_command("push")
@click.argument("app", metavar="[APP]", required=False)
@click.option("-f", "manifest", metavar="MANIFEST", help="The manifest; ./manifest.yml where there is one.")
def push(session: Session, app: str | None, manifest: str | None) -> None:
    """Register apps, and bind the services of their manifest.

    bucketry runs no apps: an app is a name that services are bound to. With APP, only that app of the manifest is
    registered, or an app without a manifest.
    """
    apps = _choose(app, manifest)
    names = ", ".join(entry.name for entry in apps)
    plural = "s" if len(apps) > 1 else ""
    output.message(
        f"Pushing app{plural} {names} to org {session.target.org} / space {session.target.space} as {session.user}..."
    )
    # Everything is looked up first, so that a misspelt service leaves nothing half made.
    for wanted in {service.instance for entry in apps for service in entry.services}:
        session.client.get(*session.instance_path(wanted))
    changes: list[str] = []
    try:
        for entry in apps:
            _register(session, entry, changes)
    except ApiError as error:
        if changes:
            error.exit_code = PARTLY_DONE
            error.message = f"this was done in part only: {error.message}"
        raise
    output.message("bucketry runs no apps: these are names that services are bound to.")
    output.ok()


def _choose(app: str | None, manifest: str | None) -> list[App]:
    """The apps to register: as cf, APP picks one of several in the manifest, and renames a single one."""
    path = _manifest_path(manifest)
    if path is None:
        if app is None:
            raise CliError(
                "there is no manifest.yml here and no app is named",
                "Give a name, `bucketry push APP`, or a manifest, `bucketry push -f FILE`.",
                exit_code=USAGE,
            )
        return [App(app, ())]
    apps = read_manifest(path, default_name=app)
    if app is None:
        return apps
    if len(apps) == 1:
        return [App(app, apps[0].services)]
    for entry in apps:
        if entry.name == app:
            return [entry]
    found = ", ".join(entry.name for entry in apps)
    raise CliError(f"{path} has no app {app}, only {found}", "Name one of these.", exit_code=USAGE)


def _manifest_path(manifest: str | None) -> Path | None:
    folder = Path()
    if manifest is not None:
        path = Path(manifest).expanduser()
        if not path.is_dir():
            return path
        folder = path
    for name in DEFAULT_MANIFESTS:
        if (folder / name).is_file():
            return folder / name
    return None if manifest is None else folder / DEFAULT_MANIFESTS[0]


def _register(session: Session, app: App, changes: list[str]) -> None:
    """Register one app and bind its services. What is new is added to `changes`, also if a later step fails."""

    def done(status: int, text: str) -> None:
        output.message(text)
        if status == 201:
            changes.append(text)

    status, _ = session.client.request("PUT", *session.space_path("apps", app.name), body={})
    done(status, f"App {app.name} {'registered' if status == 201 else 'is already registered'}.")
    for service in app.services:
        path = session.instance_path(service.instance, "bindings", app.name)
        status, _ = session.client.request("PUT", *path, body=binding_body(service.parameters, service.binding_name))
        already = "" if status == 201 else "already "
        done(status, f"App {app.name} is {already}bound to service instance {service.instance}.")


@server_command("apps")
@json_option
def apps(session: Session, output_form: str) -> None:
    """List the apps in the target space."""
    path = session.space_path("apps")
    output.message(f"Getting apps in {session.place}...")
    found = session.client.get(*path)
    rows = [(item["name"], ", ".join(item["services"])) for item in found]
    output.listing(output_form == "json", found, ("name", "bound services"), rows, "No apps found")


@server_command("delete")
@app_argument
@force_option
def delete(session: Session, app: str, force: bool) -> None:
    """Delete an app: its bindings' credentials stop working at once."""
    path = session.space_path("apps", app)
    if not confirmed(f"Really delete the app {app}?", force):
        return
    output.message(f"Deleting app {app} in {session.place}...")
    try:
        session.client.request("DELETE", *path)
    except ApiError as error:
        if error.code != "AppNotFound":
            raise
        output.message(f"App '{app}' does not exist.")
    output.ok()
