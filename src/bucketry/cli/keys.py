"""Service keys: create-service-key, service-keys, service-key, delete-service-key."""

from __future__ import annotations

from typing import Any

import click

from bucketry.cli import names, output
from bucketry.cli.command import json_option, server_command
from bucketry.cli.confirm import confirmed
from bucketry.cli.errors import USAGE, ApiError, CliError
from bucketry.cli.formats import FORMATS, Credentials
from bucketry.cli.instances import instance_argument, operation_text
from bucketry.cli.parameters import force_option, parameters_option, read_parameters
from bucketry.cli.session import Session
from bucketry.cli.waiting import change, wait_option


@server_command("create-service-key")
@instance_argument
@click.argument("key", metavar="SERVICE_KEY")
@parameters_option
@wait_option
def create_service_key(session: Session, instance: str, key: str, parameters: str | None, wait: bool) -> None:
    """Create a key: credentials of its own for a bucket."""
    wanted: dict[str, Any] = {"name": key}
    if (given := read_parameters(parameters)) is not None:
        wanted["parameters"] = given
    path = session.instance_path(instance, "keys")
    output.message(f"Creating service key {key} for service instance {instance} as {session.user}...")
    status, _ = change(session, wait, "POST", *path, body=wanted)
    if status == 200:
        output.message(f"Service key {key} already exists")
    output.ok()


@server_command("service-keys")
@instance_argument
@json_option
def service_keys(session: Session, instance: str, output_form: str) -> None:
    """List the keys of a service instance."""
    path = session.instance_path(instance, "keys")
    output.message(f"Getting keys for service instance {instance} as {session.user}...")
    found = session.client.get(*path)
    rows = [
        (item["name"], operation_text(item), (item.get("last_operation") or {}).get("description") or "")
        for item in found
    ]
    headers = ("name", "last operation", "message")
    output.listing(output_form == "json", found, headers, rows, f"No service keys for service instance {instance}")


@server_command("service-key")
@click.argument("instance", metavar="[SERVICE_INSTANCE]", shell_complete=names.instances)
@click.argument("key", metavar="SERVICE_KEY", required=False, shell_complete=names.keys)
@click.option("--guid", is_flag=True, help="Print the GUID alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the credentials alone, as cf v8 does.")
@click.option("--format", "form", type=click.Choice(sorted(FORMATS)), help="Print them as a program reads them.")
def service_key(session: Session, instance: str, key: str | None, guid: bool, as_json: bool, form: str | None) -> None:
    """Show the credentials of a key.

    The service instance may be left out while only one in the space has a key of that name.
    """
    if sum((guid, as_json, form is not None)) > 1:
        raise CliError("--guid, --json and --format exclude each other", "Give one of them.", exit_code=USAGE)
    if key is None:
        key = instance
        instance = str(session.client.get(*session.space_path("keys", key))["instance"])
    path = session.instance_path(instance, "keys", key)
    if guid:
        output.data(output.printable(session.client.get(*path)["guid"]))
        return
    credentials = session.client.get(*path, "credentials")["credentials"]
    if form is not None:
        output.data(FORMATS[form](Credentials.of(credentials, name=f"{instance}-{key}")))
    elif as_json:
        output.json_data({"credentials": credentials})
    else:
        # On stdout, all of it: scripts cut the first line off and read the rest as JSON.
        heading = f"Getting key {key} for service instance {instance} as {session.user}..."
        output.data(output.printable(heading))
        output.data("")
        output.json_data(credentials)


@server_command("delete-service-key")
@instance_argument
@click.argument("key", metavar="SERVICE_KEY", shell_complete=names.keys)
@force_option
@wait_option
def delete_service_key(session: Session, instance: str, key: str, force: bool, wait: bool) -> None:
    """Delete a key: its credentials stop working at once."""
    path = session.instance_path(instance, "keys", key)
    if not confirmed(f"Really delete the service key {key}?", force):
        return
    output.message(f"Deleting key {key} for service instance {instance} as {session.user}...")
    try:
        change(session, wait, "DELETE", *path)
    except ApiError as error:
        if error.code != "KeyNotFound":
            raise
        output.message(f"Service key {key} does not exist for service instance {instance}.")
    output.ok()
