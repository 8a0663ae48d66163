"""marketplace: what can be ordered, and what it costs."""

from __future__ import annotations

from typing import Any

import click

from bucketry.cli import names, output
from bucketry.cli.command import json_option, server_command
from bucketry.cli.errors import NOT_FOUND, CliError
from bucketry.cli.instances import BROKER
from bucketry.cli.session import Session


@server_command("marketplace")
@click.option("-e", "service", metavar="SERVICE", shell_complete=names.services, help="Show the plans of this service.")
@json_option
def marketplace(session: Session, service: str | None, output_form: str) -> None:
    """List what can be ordered."""
    if service is None:
        output.message(f"Getting all service offerings from marketplace in {session.place}...")
        found = session.client.get("catalog")
        rows = [
            (item["name"], ", ".join(plan["name"] for plan in item["plans"]), item["description"], BROKER)
            for item in found
        ]
        headers = ("offering", "plans", "description", "broker")
        output.listing(output_form == "json", found, headers, rows, "No service offerings found.")
        if rows and output_form != "json":
            output.message("\nTIP: Use `bucketry marketplace -e SERVICE` to see the plans of a service.")
        return
    output.message(f"Getting service plan information for service offering {service} in {session.place}...")
    found = [item for item in session.client.get("catalog") if item["name"] == service]
    if not found:
        raise CliError(
            f"there is no service {service}", "See what there is with `bucketry marketplace`.", exit_code=NOT_FOUND
        )
    plans = found[0]["plans"]
    rows = [(plan["name"], plan["description"], "free" if plan["free"] else "paid", costs_text(plan)) for plan in plans]
    headers = ("plan", "description", "free or paid", "costs")
    output.listing(output_form == "json", plans, headers, rows, f"Service {service} has no plans.")


def costs_text(plan: dict[str, Any]) -> str:
    """`usd 0.03/GB/month`, as cf prints the costs of a plan."""
    return ", ".join(
        f"{currency} {amount:.2f}/{cost['unit']}"
        for cost in plan.get("costs", [])
        for currency, amount in cost["amount"].items()
    )
