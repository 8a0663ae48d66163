"""`bucketry reconcile`: what it prints, and with which exit code it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from bucketry.cli.command import ServerCommand, json_option
from bucketry.cli.output import data, json_data, message, printable
from bucketry.cli.session import Session
from bucketry.serve.commands import errors_in_one_line, existing_folder, pass_session, settings_of

if TYPE_CHECKING:
    from bucketry.serve.reconciling import Outcome


@click.command("reconcile", cls=ServerCommand)
@click.option("--fix", is_flag=True, help="Mend what can be mended without harm; nothing that holds data is removed.")
@click.option("--config", metavar="FILE", help="The settings file. Default: bucketry.toml in the data folder.")
@json_option
@pass_session
@errors_in_one_line
def reconcile(session: Session, fix: bool, config: str | None, output_form: str) -> int:
    """Compare the orders with what the engines hold, also while it is served: a line a finding.

    Exit code 0: nothing is left to mend; 1: something is. Notes tell what may be meant so, and don't count.
    """
    folder = existing_folder(session)
    settings = settings_of(folder, config)
    from bucketry.kernel import logs
    from bucketry.serve.master_keys import open_keys  # the server's libraries are for this command alone
    from bucketry.serve.reconciling import reconcile as run

    logs.configure("warning")
    is_json = output_form == "json"

    def tell(outcome: Outcome) -> None:
        if not is_json:
            data(printable(_line(outcome, fix)))

    outcomes = asyncio.run(run(folder, open_keys(folder, settings), settings, fix, tell))
    if is_json:
        json_data([_value(outcome, fix) for outcome in outcomes])
    left = [outcome for outcome in outcomes if not outcome.finding.is_note and not outcome.is_mended]
    message(_sum(outcomes, len(left), fix))
    return 1 if left else 0


def _line(outcome: Outcome, is_mending: bool) -> str:
    finding = outcome.finding
    if is_mending:
        return f"{finding.text} " + ("Mended." if outcome.is_mended else f"Left: {outcome.left}")
    word = "Note: " if finding.is_note else ""
    return f"{word}{finding.text} " + (f"With --fix: {finding.remedy}" if finding.is_mendable else finding.remedy)


def _value(outcome: Outcome, is_mending: bool) -> dict[str, object]:
    finding = outcome.finding
    return {
        "kind": finding.kind.value,
        "engine": finding.engine,
        "name": finding.name,
        "instance_id": finding.instance_guid or None,
        "binding_id": finding.binding_guid or None,
        "settings": list(finding.settings),
        "text": finding.text,
        "remedy": finding.remedy,
        "is_note": finding.is_note,
        "is_mendable": finding.is_mendable,
        "is_mended": outcome.is_mended,
        "left_because": outcome.left if is_mending and outcome.left else None,
    }


def _sum(outcomes: list[Outcome], left: int, is_mending: bool) -> str:
    findings = [outcome for outcome in outcomes if not outcome.finding.is_note]
    if not findings:
        return "Orders and engines agree."
    if is_mending:
        return f"{len(findings) - left} finding(s) mended, {left} left."
    mendable = sum(outcome.finding.is_mendable for outcome in findings)
    return f"{len(findings)} finding(s), {mendable} of them mended by --fix."
