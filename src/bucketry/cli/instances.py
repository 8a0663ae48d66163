"""Service instances: create-service, services, service, update-service, rename-service, delete-service."""

from __future__ import annotations

from typing import Any

import click

from bucketry.cli import names, output
from bucketry.cli.command import json_option, server_command
from bucketry.cli.confirm import confirmed
from bucketry.cli.errors import USAGE, ApiError, CliError
from bucketry.cli.parameters import (
    force_option,
    parameters_option,
    read_parameters,
    read_tags,
    tags_option,
)
from bucketry.cli.session import Session
from bucketry.cli.waiting import change, wait_option

# cf's tables name the broker of an offering; here it is always this program.
BROKER = "bucketry"

instance_argument = click.argument("instance", metavar="SERVICE_INSTANCE", shell_complete=names.instances)


@server_command("create-service")
@click.argument("service", metavar="SERVICE", shell_complete=names.services)
@click.argument("plan", metavar="PLAN", shell_complete=names.plans)
@click.argument("instance", metavar="SERVICE_INSTANCE")
@parameters_option
@tags_option
@wait_option
def create_service(
    session: Session, service: str, plan: str, instance: str, parameters: str | None, tags: str | None, wait: bool
) -> None:
    """Create a service instance: a bucket."""
    wanted: dict[str, Any] = {"service": service, "plan": plan, "name": instance}
    if (given := read_parameters(parameters)) is not None:
        wanted["parameters"] = given
    if (own_tags := read_tags(tags)) is not None:
        wanted["tags"] = own_tags
    path = session.space_path("instances")
    output.message(f"Creating service instance {instance} in {session.place}...")
    status, _ = change(session, wait, "POST", *path, body=wanted)
    output.message(f"Service instance {instance} {'already exists' if status == 200 else 'created.'}")
    output.ok()


@server_command("services")
@json_option
def services(session: Session, output_form: str) -> None:
    """List the service instances in the target space."""
    path = session.space_path("instances")
    output.message(f"Getting service instances in {session.place}...")
    found = session.client.get(*path)
    headers = ("name", "offering", "plan", "bound apps", "last operation", "broker", "upgrade available")
    rows = [
        (
            item["name"],
            item["service"],
            item["plan"],
            ", ".join(item["bound_apps"]),
            operation_text(item),
            BROKER,
            "no",
        )
        for item in found
    ]
    output.listing(output_form == "json", found, headers, rows, "No service instances found.")


def operation_text(item: dict[str, Any]) -> str:
    """`create succeeded`: what a resource's last operation was and how it stands."""
    operation = item.get("last_operation") or {}
    return f"{operation.get('type', '')} {operation.get('state', '')}".strip()


@server_command("service")
@instance_argument
@click.option("--guid", is_flag=True, help="Print the GUID alone.")
@click.option("--params", is_flag=True, help="Print the parameters alone, as JSON.")
@json_option
def service(session: Session, instance: str, guid: bool, params: bool, output_form: str) -> None:
    """Show a service instance."""
    if guid and params:
        raise CliError("--guid and --params can't be used together", "Give one of them.", exit_code=USAGE)
    path = session.instance_path(instance)
    if guid:
        output.data(output.printable(session.client.get(*path)["guid"]))
    elif params:
        output.json_data(session.client.get(*path)["parameters"])
    elif output_form == "json":
        output.json_data(session.client.get(*path))
    else:
        output.message(f"Showing info of service {instance} in {session.place}...")
        _show(session.client.get(*path))


def _show(found: dict[str, Any]) -> None:
    output.pairs(
        {
            "name": found["name"],
            "guid": found["guid"],
            "type": "managed",
            "broker": BROKER,
            "offering": found["service"],
            "plan": found["plan"],
            "tags": ", ".join(found["tags"]),
            "offering tags": ", ".join(found["offering_tags"]),
            "description": found["description"],
            "documentation": found["documentation_url"] or "",
            "dashboard url": found["dashboard_url"] or "",
            "bucket": found["bucket"] or "",
        }
    )
    operation = found.get("last_operation")
    if operation:
        output.data("\nShowing status of last operation:")
        output.pairs(
            {
                "status": operation_text(found),
                "message": operation.get("description") or "",
                "updated": operation.get("updated_at") or "",
            },
            indent="   ",
        )
    output.data("\nShowing bound apps:")
    if found["bound_apps"]:
        for app in found["bound_apps"]:
            output.data("   " + output.printable(app))
    else:
        output.data("   There are no bound apps for this service instance.")


@server_command("update-service")
@instance_argument
@click.option("-p", "plan", metavar="PLAN", shell_complete=names.plans, help="Change to this plan.")
@parameters_option
@tags_option
@wait_option
def update_service(
    session: Session, instance: str, plan: str | None, parameters: str | None, tags: str | None, wait: bool
) -> None:
    """Change the plan, the parameters or the tags of a service instance."""
    changes: dict[str, Any] = {}
    if plan is not None:
        changes["plan"] = plan
    if (given := read_parameters(parameters)) is not None:
        changes["parameters"] = given
    if (own_tags := read_tags(tags)) is not None:
        changes["tags"] = own_tags
    path = session.instance_path(instance)
    output.message(f"Updating service instance {instance} in {session.place}...")
    if not changes:
        session.client.get(*path)
        output.message("No flags specified. No changes were made.")
        output.ok()
        return
    _, updated = change(session, wait, "PATCH", *path, body=changes)
    output.message(
        f"Update of service instance {instance} complete." if updated["changed"] else "No changes were made."
    )
    output.ok()


@server_command("rename-service")
@instance_argument
@click.argument("new_name", metavar="NEW_NAME")
def rename_service(session: Session, instance: str, new_name: str) -> None:
    """Give a service instance another name."""
    path = session.instance_path(instance)
    output.message(f"Renaming service {instance} to {new_name} in {session.place}...")
    session.client.request("PATCH", *path, body={"name": new_name})
    output.ok()


@server_command("delete-service")
@instance_argument
@force_option
@wait_option
def delete_service(session: Session, instance: str, force: bool, wait: bool) -> None:
    """Delete a service instance with its keys and bindings."""
    path = session.instance_path(instance)
    question = f"Really delete the service instance {instance} with its service keys and bindings?"
    if not confirmed(question, force):
        return
    output.message(f"Deleting service instance {instance} in {session.place}...")
    try:
        change(session, wait, "DELETE", *path)
        output.message(f"Service instance {instance} deleted.")
    except ApiError as error:
        if error.code != "InstanceNotFound":
            raise
        output.message(f"Service instance {instance} did not exist.")
    output.ok()
