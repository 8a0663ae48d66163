"""The marketplace's records on PostgreSQL: `[database] url`, what is told when it can't be reached, its commands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.kit.broker import Broker
from tests.kit.postgres import PASSWORD, QUOTED_PASSWORD, Postgres, postgres
from tests.kit.programs import bucketry
from tests.kit.server import LISTEN, Server, clean_environment, run_program

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """A PostgreSQL that tests may stop."""
    with postgres() as running:
        yield running


@pytest.fixture
def on_postgresql(own: Postgres, fresh_server: Callable[..., Server]) -> Server:
    return fresh_server(workers=1, environment={"BUCKETRY_DATABASE__URL": own.create()})


def check_silence(server: Server) -> None:
    log = server.log.read_text()
    assert PASSWORD not in log
    assert QUOTED_PASSWORD not in log


def test_orders_outlive_the_server_and_its_folder_holds_none(on_postgresql: Server, tmp_path: Path) -> None:
    def credentials() -> dict[str, str]:
        shown = json.loads(on_postgresql.run("service-key", "mine", "key", "--json").stdout)["credentials"]
        return {name: shown[name] for name in ("bucket", "access_key_id", "secret_access_key")}

    on_postgresql.run("create-service", "s3", "basic", "mine")
    on_postgresql.run("create-service-key", "mine", "key")
    before = credentials()
    assert not (on_postgresql.data / "marketplace.sqlite").exists()
    on_postgresql.restart()
    assert credentials() == before
    copied = on_postgresql.run("snapshot", str(tmp_path / "copy"))
    assert "pg_dump" in copied.stderr
    check_silence(on_postgresql)


@pytest.mark.slow
def test_records_go_from_the_folders_file_to_postgresql(own: Postgres, fresh_server: Callable[..., Server]) -> None:
    """Who began small keeps orders, credentials and data; refused while it serves, and where other records are. A
    start that would begin without the orders is refused."""
    server = fresh_server(workers=1)
    server.run("create-service", "s3", "basic", "mine")
    server.run("create-service-key", "mine", "key")
    shown = server.run("service-key", "mine", "key", "--json").stdout
    key = json.loads(shown)["credentials"]
    server.client(credentials=key).put_object(Bucket=key["bucket"], Key="k", Body=b"mine")
    file, kept = server.data / "marketplace.sqlite", server.data / "marketplace.sqlite.copied"

    told = server.run("database", "copy", check=False)
    assert (told.returncode, "url is empty" in told.stderr) == (1, True)
    moved = Server(server.data, workers=1, environment={"BUCKETRY_DATABASE__URL": own.create()})
    told = moved.run("database", "copy", check=False)
    assert (told.returncode, "Stop it" in told.stderr) == (5, True)
    server.stop()
    with pytest.raises(AssertionError, match="`bucketry database copy` takes them there"):
        moved.start()
    filled = Server(server.data, environment={"BUCKETRY_DATABASE__URL": own.create()})
    assert "brought from nothing" in filled.run("database", "upgrade").stderr
    with psycopg.connect(filled.environment["BUCKETRY_DATABASE__URL"]) as connection:
        connection.execute("INSERT INTO quotas VALUES ('q', 'default', TRUE, 1)")
    told = filled.run("database", "copy", check=False)
    assert (told.returncode, "holds other records" in told.stderr) == (1, True)
    assert file.exists()

    done = moved.run("database", "copy")
    assert "1 instances, 1 bindings" in done.stderr
    assert (file.exists(), kept.exists()) == (False, True)
    assert "copied before" in moved.run("database", "copy").stderr
    moved.start()
    try:
        again = json.loads(moved.run("service-key", "mine", "key", "--json").stdout)["credentials"]
        assert (again["access_key_id"], again["secret_access_key"]) == (key["access_key_id"], key["secret_access_key"])
        assert moved.client(credentials=again).get_object(Bucket=key["bucket"], Key="k")["Body"].read() == b"mine"
        assert moved.run("reconcile").returncode == 0
        assert not file.exists()
        moved.run("delete-service-key", "mine", "key", "-f")
        check_silence(moved)
    finally:
        moved.kill()


def test_database_that_goes_and_comes_back(own: Postgres, on_postgresql: Server) -> None:
    broker = Broker(on_postgresql)
    plan = broker.ask("GET", "/catalog").body["services"][0]
    order = {
        "service_id": plan["id"],
        "plan_id": plan["plans"][0]["id"],
        "organization_guid": "org",
        "space_guid": "space",
    }
    assert broker.ask("PUT", "/service_instances/one", order).status == 201
    workers = on_postgresql.workers()
    own.stop()
    try:
        refused = broker.ask("PUT", "/service_instances/two", order)
        assert (refused.status, refused.body["error"]) == (503, "RecordsUnavailable")
        assert "database can't be reached" in refused.body["description"]
        told = on_postgresql.run("services", check=False)
        assert told.returncode != 0
        assert "database can't be reached" in told.stderr
        assert broker.ask("GET", "/catalog").status == 200
        assert on_postgresql.health("/healthz") == 200
        assert on_postgresql.health("/readyz") == 503
    finally:
        own.start()
    assert on_postgresql.health("/readyz") == 200
    assert broker.ask("PUT", "/service_instances/two", order).status == 201
    assert broker.ask("PUT", "/service_instances/one", order).status == 200
    assert on_postgresql.workers() == workers
    check_silence(on_postgresql)


def test_a_second_store_is_not_taken_for_the_one_of_the_orders(
    on_postgresql: Server, fresh_server: Callable[..., Server]
) -> None:
    """Two servers on one database have each a store of their own, and neither the other's buckets."""
    with pytest.raises(AssertionError, match="the store of another data folder"):
        fresh_server(workers=1, environment=on_postgresql.environment)
    assert on_postgresql.restart().health("/readyz") == 200


def test_a_store_that_is_lost_is_followed_by_another_as_the_page_says(
    on_postgresql: Server, fresh_server: Callable[..., Server]
) -> None:
    (statement,) = re.findall(r"```sql place\n(.*?)```", PAGE.read_text(), re.DOTALL)
    on_postgresql.stop()
    with psycopg.connect(on_postgresql.environment["BUCKETRY_DATABASE__URL"]) as connection:
        assert connection.execute(statement).rowcount == 1
    assert fresh_server(workers=1, environment=on_postgresql.environment).health("/readyz") == 200
    with pytest.raises(AssertionError, match="the store of another data folder"):
        on_postgresql.start()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"postgresql://bucketry:{QUOTED_PASSWORD}@127.0.0.1:1/db", ["PostgreSQL 127.0.0.1:1/db", "[database] url"]),
        (f"mysql://bucketry:{QUOTED_PASSWORD}@host/db", ["[database] url", "mysql:// is not supported"]),
    ],
    ids=["nobody there", "another kind"],
)
def test_a_database_of_no_use_is_told_in_one_line_at_the_start(tmp_path: Path, url: str, words: list[str]) -> None:
    environment = {**clean_environment(), "BUCKETRY_DATABASE__URL": url}
    command = [bucketry(), "serve", "--data", str(tmp_path / "data"), *LISTEN]
    refused = run_program(command, check=False, environment=environment)
    assert refused.returncode in (1, 2)
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("Error: ")]
    assert all(word in line for word in words)
    assert QUOTED_PASSWORD not in refused.stderr
    assert PASSWORD not in refused.stderr


def test_the_databases_commands(own: Postgres, tmp_path: Path) -> None:
    environment = {**clean_environment(), "BUCKETRY_DATABASE__URL": own.create()}

    def run(*arguments: str) -> tuple[str, str]:
        command = [bucketry(), "database", *arguments, "--data", str(tmp_path / "data")]
        done = run_program(command, environment=environment)
        return done.stdout, done.stderr

    before = json.loads(run("status", "-o", "json")[0])
    assert (before["schema"], before["state"], before["rows"]) == (None, "empty", {})
    assert "brought from nothing to schema" in run("upgrade")[1]
    assert "is up to date" in run("upgrade")[1]
    after = json.loads(run("status", "-o", "json")[0])
    assert (after["schema"], after["state"]) == (before["newest_known"], "current")
    assert after["rows"]["instances"] == after["rows"]["bindings"] == 0
    assert after["size_bytes"] > 0
    shown = run("status")[0]
    assert "up to date" in shown
    assert QUOTED_PASSWORD not in shown
    assert "bucketry:" not in shown


def test_the_commands_on_the_data_folders_own_database(server: Server) -> None:
    shown = json.loads(server.run("database", "status", "-o", "json").stdout)
    assert shown["database"] == f"SQLite {server.data / 'marketplace.sqlite'}"
    assert (shown["state"], shown["rows"]["orgs"] >= 1) == ("current", True)
    assert "is up to date" in server.run("database", "upgrade").stderr
    nowhere = server.run("database", "status", "--data", "/nowhere", check=False)
    assert (nowhere.returncode, "holds no records" in nowhere.stderr) == (1, True)
