"""`bucketry check-config`: everything that the settings name, tried, each with one line.

Engines are proven by a bucket that is made, used and removed (domain/probing.py). The embedded one is proven through
the running server, by the address that credentials name. Where none runs, a store of its own is served for the while
from a temporary folder beside the data, with the same settings of [store]; the data itself is not touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click

from bucketry.cli.command import ServerCommand
from bucketry.cli.session import Session
from bucketry.marketplace.domain.probing import Proof, probe
from bucketry.serve.addresses import Addresses
from bucketry.serve.catalog import read_catalog
from bucketry.serve.commands import chosen_folder, pass_session, settings_of
from bucketry.serve.engine_settings import EmbeddedEngine
from bucketry.serve.engines import House, OpenEngine, make_engine
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import Admin, DataFolder
from bucketry.serve.listening import tls_context
from bucketry.serve.settings import ENVIRONMENT_PREFIX, Settings

_START_SECONDS = 30
_STOP_SECONDS = 30
_LOOPBACK = "127.0.0.1:0"
_RUN = "import sys; from bucketry.cli.main import main; sys.exit(main())"
_ASK_CHECK = " The operator finds the reason with: bucketry check-config"


@click.command("check-config", cls=ServerCommand)
@click.option("--config", metavar="FILE", help="The settings file. Default: bucketry.toml in the data folder.")
@pass_session
def check_config(session: Session, config: str | None) -> int:
    """Try all that the settings name: files, database, catalog, and each engine with a bucket made and removed.

    Prints a line for each, with what is wrong and how to mend it. Exit code 1 where something is wrong. Leaves nothing
    behind. The embedded engine is tried through the running server; where none runs, with a store of its own in a
    temporary folder.
    """
    folder = chosen_folder(session)
    report = Report()
    try:
        settings = settings_of(folder, config)
    except ServeError as problem:
        report.say(Proof("settings", str(problem), "mend the file or the variable"))
        return 1
    report.say(Proof("settings"))
    for what, check in CHECKS.items():
        report.attempt(what, lambda check=check: check(folder, settings))  # type: ignore[misc]  # mypy infers no lambda with defaults
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # which clears up, too
    asyncio.run(_check_engines(folder, settings, report))
    return 1 if report.is_wrong else 0


class Report:
    """The lines."""

    def __init__(self) -> None:
        self.is_wrong = False

    def say(self, proof: Proof) -> None:
        if not proof.problem:
            click.echo(f"ok     {proof.what}")
            return
        self.is_wrong = True
        click.echo(f"WRONG  {proof.what}: {proof.problem.replace(_ASK_CHECK, '')}")
        if proof.mend:
            click.echo(f"       To mend it: {proof.mend}.")

    def attempt(self, what: str, check: Callable[[], str]) -> None:
        """Say what `check` found; it raises ServeError, whose text tells what to do, too."""
        try:
            found = check()
        except ServeError as problem:
            self.say(Proof(what, str(problem)))
        else:
            self.say(Proof(f"{what}: {found}"))


# ---- what is no engine


def _data_folder(folder: DataFolder, settings: Settings) -> str:
    if not folder.root.exists():
        return f"{folder.root} is not there yet; the first start makes it"
    folder.make()
    if not folder.identity_file.exists():
        return f"{folder.root} is empty; the first start fills it"
    from bucketry.serve.master_keys import open_keys

    open_keys(folder, settings)
    folder.read_admin()
    return f"{folder.root}, {'served now' if folder.is_served() else 'not served now'}"


def _tls(_folder: DataFolder, settings: Settings) -> str:
    server = settings.server
    if tls_context(server.tls_certificate, server.tls_key) is None:
        return "none is configured"
    from cryptography import x509

    certificate = x509.load_pem_x509_certificates(Path(server.tls_certificate).read_bytes())[0]
    ends = certificate.not_valid_after_utc
    if ends <= datetime.now(UTC):
        raise ServeError(f"[server] tls_certificate {server.tls_certificate} ended on {ends:%Y-%m-%d}. Renew it.")
    return f"{server.tls_certificate} is good until {ends:%Y-%m-%d}"


def _broker(_folder: DataFolder, settings: Settings) -> str:
    path = settings.broker.password_file
    if not path:
        return "its password is in admin.json, made at the first start"
    try:
        password = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise ServeError(f"[broker] password_file {path} can't be read: {problem}.") from None
    if len(password) < 16:
        raise ServeError(f"[broker] password_file {path} must hold a password of at least 16 characters.")
    return f"its password is in {path}"


def _database(folder: DataFolder, settings: Settings) -> str:
    if not settings.database.url and not folder.marketplace_file.exists():
        return "SQLite in the data folder, made at the first start"
    from bucketry.marketplace.domain.record_ports import RecordsUnavailable
    from bucketry.marketplace.records.database import Database, NewerRecords
    from bucketry.marketplace.records.overview import overview
    from bucketry.serve.database_url import records_url

    try:
        opened = Database(records_url(folder, settings))
        try:
            found = overview(opened)
        finally:
            opened.dispose()
    except (NewerRecords, RecordsUnavailable) as problem:
        raise ServeError(str(problem)) from None
    if found.state == "newer":
        raise ServeError(f"{found.database} was written by a newer bucketry. Run that version.")
    return f"{found.database}, schema {found.version or 'not made yet'}"


def _catalog(_folder: DataFolder, settings: Settings) -> str:
    catalog = read_catalog(settings)
    return ", ".join(f"{plan.name} on {plan.engine}" for plan in catalog.plans())


CHECKS: dict[str, Callable[[DataFolder, Settings], str]] = {
    "data folder": _data_folder,
    "TLS": _tls,
    "broker": _broker,
    "database": _database,
    "catalog": _catalog,
}


# ---- engines


async def _check_engines(folder: DataFolder, settings: Settings, report: Report) -> None:
    try:
        plans = list(read_catalog(settings).plans())
    except ServeError:
        plans = []  # said already
    for name, engine_settings in settings.engines.items():
        is_public_offered = any(plan.is_public for plan in plans if plan.engine == name)
        is_embedded = isinstance(engine_settings, EmbeddedEngine)
        try:
            async with _opened(name, folder, settings, is_embedded, report) as engine:
                await _prove(name, engine, is_public_offered, report)
        except ServeError as problem:
            report.say(Proof(f"engine {name}", str(problem)))


async def _prove(name: str, engine: OpenEngine, is_public_offered: bool, report: Report) -> None:
    from bucketry.marketplace.engines.visiting import S3Visitor

    visitor = S3Visitor()
    steps = probe(engine, visitor, is_public_offered)
    async with contextlib.aclosing(steps):
        async for proof in steps:
            report.say(Proof(f"engine {name}: {proof.what}", proof.problem, proof.mend))
    visitor.close()


@contextlib.asynccontextmanager
async def _opened(
    name: str, folder: DataFolder, settings: Settings, is_embedded: bool, report: Report
) -> AsyncIterator[OpenEngine]:
    with contextlib.ExitStack() as stack:
        admin = Admin()
        if is_embedded and folder.is_served():
            admin = folder.read_admin()
            report.say(Proof(f"engine {name}: the running server is asked, at {admin.s3_endpoint}"))
        elif is_embedded:
            admin = stack.enter_context(_temporary_store(folder, settings))
            report.say(Proof(f"engine {name}: no server runs, so a store in a temporary folder is asked"))
        engine = make_engine(name, settings.engines[name], House(settings, _addresses_of(admin), admin))
        try:
            yield engine
        finally:
            await engine.close()


def _addresses_of(admin: Admin) -> Addresses:
    s3, website = admin.s3_endpoint, admin.website_endpoint
    return Addresses(
        s3_url=s3, website_url=website, api_url="", engine_url=s3, website_port=urlsplit(website).port or 80
    )


@contextlib.contextmanager
def _temporary_store(folder: DataFolder, settings: Settings) -> Iterator[Admin]:
    """A server of its own, on loopback; its folder lies on the disk of the data, where that is there already."""
    beside = folder.root if os.access(folder.root, os.W_OK) else None
    root = Path(tempfile.mkdtemp(prefix=".check-config-", dir=beside))
    try:
        with _served(root, settings):
            yield DataFolder(root).read_admin()
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def _served(root: Path, settings: Settings) -> Iterator[None]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    environment["BUCKETRY_SERVER__REGION"] = settings.server.region
    environment["BUCKETRY_STORE__DEFAULT_OBJECT_OWNERSHIP"] = settings.store.default_object_ownership
    listen = [f"--{name}-listen={_LOOPBACK}" for name in ("s3", "website", "api")]
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, "serve", "--data", str(root), "--workers", "1", "--log-level", "error", *listen],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        readable, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
        if not readable or not process.stdout.readline().startswith("ready"):
            process.kill()
            said = process.stderr.read().strip().splitlines()
            raise ServeError(f"A store on this machine does not start: {said[0] if said else 'it says nothing'}")
        yield
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
