"""`bucketry adopt`: take over what another broker made, beside a running server or without one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bucketry.cli.command import ServerCommand
from bucketry.cli.output import json_data, message, table
from bucketry.cli.session import Session
from bucketry.serve.commands import errors_in_one_line, existing_folder, pass_session, settings_of
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import DataFolder
from bucketry.serve.settings import Settings

if TYPE_CHECKING:
    from bucketry.marketplace.domain.adoption import Finding
    from bucketry.marketplace.domain.marketplace import Marketplace

_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Request:
    """What the command was asked for."""

    file: Path
    bucket_prefix: str
    user_prefix: str
    iam_path: str
    is_dry: bool


@dataclass(frozen=True, slots=True)
class Result:
    """`extra`: buckets and users on the engines that are named like the other broker's, and in no record or list."""

    findings: list[Finding]
    extra_buckets: list[str]
    extra_users: list[str]


@click.command("adopt", cls=ServerCommand)
@click.option("--from", "file", metavar="FILE", required=True, type=click.Path(path_type=Path), help="JSON lines.")
@click.option("--config", metavar="FILE", help="The settings file. Default: bucketry.toml in the data folder.")
@click.option("--bucket-prefix", default="cf", metavar="PREFIX", help="Buckets are PREFIX-INSTANCE_ID. Default: cf.")
@click.option("--user-prefix", default="cf", metavar="PREFIX", help="IAM users are PREFIX-BINDING_ID. Default: cf.")
@click.option("--iam-path", default="/", metavar="PATH", help="Where to look for further users. Default: /.")
@click.option("--dry-run", is_flag=True, help="Look and tell; change nothing.")
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table", help="Default: table.")
@pass_session
@errors_in_one_line
def adopt(session: Session, config: str | None, output: str, dry_run: bool, file: Path, **names: str) -> int:
    """Take over the instances and bindings of another broker that FILE lists, one JSON object a line.

    Buckets, objects, users and keys stay as they are; only bucketry's records change, each instance as a whole. What is
    taken over already is left alone, so it is safe to repeat. Begin with --dry-run.
    """
    folder = existing_folder(session)
    result = asyncio.run(_run(folder, settings_of(folder, config), Request(file, is_dry=dry_run, **names)))
    if output == "json":
        json_data(_document(result, dry_run))
    else:
        _show(result, dry_run)
    return _exit_code(result.findings)


async def _run(folder: DataFolder, settings: Settings, request: Request) -> Result:
    from bucketry.serve.addresses import Addresses
    from bucketry.serve.adoption_file import read
    from bucketry.serve.marketplace_half import open_marketplace
    from bucketry.serve.master_keys import open_keys

    admin = folder.read_admin()
    addresses = Addresses.of_last_start(admin.s3_endpoint, admin.website_endpoint, admin.api_url)
    keys = open_keys(folder, settings)
    async with open_marketplace(folder, keys, settings, addresses, admin) as marketplace:
        orders = read(request.file, marketplace.catalog, request.bucket_prefix, request.user_prefix)
        act = marketplace.adoption.look if request.is_dry else marketplace.adoption.adopt
        findings = [await act(order) for order in orders]
        buckets, users = await _extra(marketplace, findings, request)
        return Result(findings, buckets, users)


async def _extra(marketplace: Marketplace, findings: list[Finding], request: Request) -> tuple[list[str], list[str]]:
    from bucketry.marketplace.domain.errors import DomainError

    listed = {finding.order.bucket for finding in findings}
    named = {binding.identity for finding in findings for binding in finding.order.bindings}
    try:
        inventories = await marketplace.adoption.inventories(
            f"{request.bucket_prefix}-", f"{request.user_prefix}-", request.iam_path
        )
    except DomainError as problem:
        raise ServeError(f"What else is on the engines can't be listed: {problem}") from None
    return sorted(inventories.buckets - listed), sorted(inventories.identities - named)


def _exit_code(findings: list[Finding]) -> int:
    refused = sum(finding.verdict == "refused" for finding in findings)
    return 0 if not refused else 5 if refused == len(findings) else 8


def _document(result: Result, is_dry: bool) -> dict[str, object]:
    return {
        "dry_run": is_dry,
        "instances": [
            {
                "instance_id": finding.order.guid,
                "bucket": finding.order.bucket,
                "verdict": finding.verdict.value,
                "new_bindings": [binding.guid for binding in finding.bindings],
                "reasons": list(finding.reasons),
            }
            for finding in result.findings
        ],
        "extra_buckets": result.extra_buckets,
        "extra_users": result.extra_users,
    }


def _show(result: Result, is_dry: bool) -> None:
    words = {"adopt": "would be adopted" if is_dry else "adopted"}
    rows = [
        [
            finding.order.guid,
            finding.order.bucket,
            words.get(finding.verdict, finding.verdict.value),
            f"{len(finding.bindings)} of {len(finding.order.bindings)}",
        ]
        for finding in result.findings
    ]
    table(("instance", "bucket", "verdict", "new bindings"), rows)
    for finding in result.findings:
        for reason in finding.reasons:
            message(f"{finding.order.guid}: {reason}")
    _show_extra("bucket", result.extra_buckets)
    _show_extra("user", result.extra_users)
    if is_dry:
        message("Nothing was changed.")


def _show_extra(what: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
        message(f"Not in the list, and not recorded: {len(names)} {what}(s): {', '.join(names[:_MOST_SHOWN])}{more}.")
