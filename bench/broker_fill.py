"""Fills a stopped server's folder with instances and bindings, as orders would have left them, but in few commits:
buckets, users with their policies and keys in the store, and the marketplace's records of them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import apsw

from bench.fill import account_of, make_buckets
from bucketry.kernel import ids
from bucketry.kernel.clock import system_clock_ms
from bucketry.kernel.envelope import Envelope
from bucketry.marketplace.domain import catalog
from bucketry.marketplace.domain.engine_ports import Rights
from bucketry.marketplace.domain.values import (
    Binding,
    BindingKind,
    BindingState,
    Instance,
    InstanceState,
    LastOperation,
    OperationState,
    OperationType,
)
from bucketry.marketplace.engines import names, rights
from bucketry.marketplace.records import rows
from bucketry.marketplace.records.connecting import sqlite_url
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.tables import bindings, instances
from bucketry.serve.folder import DataFolder
from bucketry.serve.keyring import MARKETPLACE_RECORDS, STORE_IDENTITY
from bucketry.serve.master_keys import open_keys
from bucketry.serve.settings import load
from bucketry.store.identity import keys, users
from bucketry.store.identity.database import Database as IdentityDatabase

BINDINGS_EACH = 100
_POLICY_NAME = "bucketry"


def fill(data: Path, count: int, url: str = "", engine: str = "embedded") -> None:
    """`count` bindings more, BINDINGS_EACH an instance; recorded in the database `url`, or in the folder's own. Their
    buckets and users are made in the embedded store alone: of other engines they are only recorded."""
    begun = time.perf_counter()
    folder = DataFolder(data)
    master_keys = open_keys(folder, load(None, {}))
    made = [_instance(engine) for _ in range(max(1, count // BINDINGS_EACH))]
    ordered = [_binding(made[number % len(made)]) for number in range(count)]
    pairs = [("AKIARECORDEDONLY0000", "nobody's")] * count
    if engine == "embedded":
        pairs = _make_identities(folder, master_keys.envelope(STORE_IDENTITY), ordered, made)
    database = Database(url or sqlite_url(folder.marketplace_file))
    try:
        _record(database, master_keys.envelope(MARKETPLACE_RECORDS), made, ordered, pairs)
    finally:
        database.dispose()
    print(f"{count:,} bindings of {len(made):,} instances recorded in {time.perf_counter() - begun:.0f} s", flush=True)


def _make_identities(
    folder: DataFolder, envelope: Envelope, ordered: list[Binding], made: list[Instance]
) -> list[tuple[str, str]]:
    account = account_of(folder.root)
    make_buckets(folder.root, [instance.bucket for instance in made], account)
    identity = IdentityDatabase(folder.identity_file)
    try:
        return identity.transaction(lambda db: _make_users(db, envelope, account, ordered, made))
    finally:
        identity.close()


def _instance(engine: str) -> Instance:
    service = catalog.default().services[0]
    guid, now_ms = ids.guid(), system_clock_ms()
    done = LastOperation(OperationType.CREATE, OperationState.SUCCEEDED, "create succeeded", now_ms)
    return Instance(
        guid=guid,
        name=guid,
        org_guid="org",
        space_guid="space",
        is_local=False,
        service_guid=service.guid,
        plan_guid=service.plans[0].guid,
        parameters={},
        tags=(),
        state=InstanceState.READY,
        engine=engine,
        bucket=names.from_id("bkt-", guid),
        last_operation=done,
        created_ms=now_ms,
        updated_ms=now_ms,
    )


def _binding(instance: Instance) -> Binding:
    return Binding(
        guid=ids.guid(),
        kind=BindingKind.APP,
        name="",
        instance_guid=instance.guid,
        app_guid=ids.guid(),
        is_local=False,
        parameters={},
        additional_instances=(),
        state=BindingState.READY,
        created_ms=system_clock_ms(),
    )


def _make_users(
    db: apsw.Connection, envelope: Envelope, account: str, ordered: list[Binding], made: list[Instance]
) -> list[tuple[str, str]]:
    policies = {instance.guid: rights.of_binding([instance.bucket], Rights(), "aws") for instance in made}
    pairs = []
    for binding in ordered:
        name, now_ms = names.from_id("bucketry-", binding.guid), binding.created_ms
        users.create(db, now_ms, account, name, "/bucketry/", {"bucketry:instance": binding.instance_guid})
        db.execute(
            "INSERT INTO user_policy (user, name, document)"
            " SELECT id, ?, ? FROM iam_user WHERE account_id = ? AND name_folded = ?",
            (_POLICY_NAME, policies[binding.instance_guid], account, name),
        )
        key, secret = keys.create(db, now_ms, envelope, account, name)
        pairs.append((key.access_key_id, secret))
    return pairs


def _record(
    database: Database, envelope: Envelope, made: list[Instance], ordered: list[Binding], pairs: list[tuple[str, str]]
) -> None:
    def work(connection: Any) -> None:
        held = {"holder": None, "held_until_ms": 0}
        connection.execute(instances.insert(), [rows.instance_columns(instance) | held for instance in made])
        sealed = [
            rows.binding_columns(binding) | {"sealed_key": envelope.seal(json.dumps(pair), f"binding|{binding.guid}")}
            for binding, pair in zip(ordered, pairs, strict=True)
        ]
        connection.execute(bindings.insert(), sealed)
        connection.exec_driver_sql("ANALYZE")  # as the databases do by themselves after a while

    database.alone(work)
