"""`[engines.NAME]`: each kind knows its keys, and what is wrong is refused by its place."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from bucketry.serve import engine_settings, engines
from bucketry.serve.addresses import Addresses
from bucketry.serve.catalog import read_catalog
from bucketry.serve.engine_settings import AwsEngine, CephEngine, EmbeddedEngine
from bucketry.serve.engines import make_engines
from bucketry.serve.errors import SettingsError
from bucketry.serve.folder import Admin
from bucketry.serve.settings import Catalog, Settings, load

CEPH = 'kind = "ceph"\nendpoint = "http://rgw:8000"\naccess_key_id = "a"\nsecret_access_key = "s"\n'
AWS = 'kind = "aws"\nregion = "us-gov-west-1"\n'
PLAN = {"id": "p", "name": "p", "description": "p"}


def loaded(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> Settings:
    path = tmp_path / "bucketry.toml"
    path.write_text(text)
    return load(path, environment or {})


def test_without_any_there_is_the_embedded_one() -> None:
    assert load(None, {}).engines == Settings().engines == {"embedded": EmbeddedEngine()}


def test_each_kind_is_read(tmp_path: Path) -> None:
    text = f'[engines.here]\nkind = "embedded"\nbucket_prefix = "x-"\n[engines.ceph-1]\n{CEPH}[engines.gov]\n{AWS}'
    engines = loaded(tmp_path, text).engines
    assert engines["here"] == EmbeddedEngine(bucket_prefix="x-")
    assert engines["ceph-1"] == CephEngine("http://rgw:8000", "a", "s")
    assert engines["gov"] == AwsEngine(region="us-gov-west-1")


def test_several_accounts(tmp_path: Path) -> None:
    accounts = '[[engines.gov.accounts]]\nprofile = "one"\n[[engines.gov.accounts]]\nprofile = "two"\n'
    (engine,) = loaded(tmp_path, f"[engines.gov]\n{AWS}{accounts}").engines.values()
    assert isinstance(engine, AwsEngine)
    assert [account.profile for account in engine.accounts] == ["one", "two"]


def test_the_environment_adds_and_changes_engines(tmp_path: Path) -> None:
    environment = {
        "BUCKETRY_ENGINES__CEPH_1__REGION": "r",
        "BUCKETRY_ENGINES__GOV__KIND": "aws",
        "BUCKETRY_ENGINES__GOV__REGION": "us-gov-east-1",
        "BUCKETRY_ENGINES__GOV__FIPS": "true",
        "BUCKETRY_ENGINES__GOV__KEY_WAIT_SECONDS": "3",
    }
    engines = loaded(tmp_path, f"[engines.ceph-1]\n{CEPH}", environment).engines
    assert engines["ceph-1"] == CephEngine("http://rgw:8000", "a", "s", region="r")
    assert engines["gov"] == AwsEngine(region="us-gov-east-1", fips=True, key_wait_seconds=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('bucket_prefix = "x-"\n', ["kind is missing", "embedded, ceph, aws"]),
        ('kind = "azure"\n', ["'azure'", "embedded, ceph, aws"]),
        ('kind = "embedded"\nregion = "r"\n', ["'region'", "bucket_prefix"]),
        ('kind = "embedded"\nbucket_prefix = "X"\n', ["bucket_prefix"]),
        (CEPH + 'profile = "p"\n', ["'profile'", "admin_path"]),
        (CEPH.replace("http://rgw:8000", "rgw:8000"), ["endpoint", "http://"]),
        (CEPH.replace('endpoint = "http://rgw:8000"\n', ""), ["endpoint", "missing"]),
        (CEPH.replace('secret_access_key = "s"\n', ""), ["secret_access_key", "missing"]),
        (CEPH + 'secret_access_key_file = "f"\n', ["exclude"]),
        (CEPH.replace('secret_access_key = "s"', 'secret_access_key_file = "/none"'), ["/none", "can't be read"]),
        (CEPH + 'admin_path = "/"\n', ["admin_path"]),
        ('kind = "aws"\n', ["region", "missing"]),
        ('kind = "aws"\nregion = "mars"\n', ["region", "'mars'"]),
        (AWS + "admin_path = 'x'\n", ["'admin_path'"]),
        (AWS + "fips = 1\n", ["fips", "bool"]),
        (AWS + 'profile = "p"\naccess_key_id = "a"\nsecret_access_key = "s"\n', ["exclude"]),
        (AWS + 'profile = "p"\n[[engines.x.accounts]]\nprofile = "q"\n', ["accounts"]),
        (AWS + "[[engines.x.accounts]]\n", ["number 1", "profile"]),
        (AWS + 'iam_path = "bucketry"\n', ["iam_path", "slash"]),
        (AWS + 'permissions_boundary = "arn:aws:iam::123456789012:policy/b"\n', ["permissions_boundary", "aws-us-gov"]),
        (AWS.replace("us-gov-west-1", "eu-west-1") + "fips = true\n", ["fips", "eu-west-1"]),
        (AWS + 'fips = true\nendpoint = "https://vpce"\n', ["fips", "endpoint"]),
        (AWS + "key_wait_seconds = 90\n", ["key_wait_seconds", "50"]),
    ],
)
def test_a_wrong_engine_is_refused_by_place(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, f"[engines.x]\n{text}")
    for word in ["engines.x]", *words]:
        assert word in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [("[engines.X]\n" + AWS, "a-z"), ("[engines.a]\nkind='embedded'\n[engines.b]\nkind='embedded'", "both")],
)
def test_wrong_names_and_two_stores_are_refused(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        loaded(tmp_path, text)


@pytest.mark.parametrize("name", ["BUCKETRY_ENGINES__X", "BUCKETRY_ENGINES__X__PORT", "BUCKETRY_ENGINES__X__ACCOUNTS"])
def test_a_wrong_variable_is_refused_by_name(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load(None, {name: "1"})


def test_a_secret_in_a_file_is_read_and_none_is_shown(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("very-secret\n")
    text = f"[engines.x]\n{CEPH}".replace('secret_access_key = "s"', f'secret_access_key_file = "{tmp_path / "s"}"')
    assert "very-secret" not in repr(loaded(tmp_path, text))
    assert "'s'" not in repr(loaded(tmp_path, f"[engines.x]\n{CEPH}"))


# ---- which engine a plan has


def catalog_of(tmp_path: Path, settings: Settings, bucketry: dict[str, str]) -> set[str]:
    service = {"id": "s", "name": "s", "description": "s", "plans": [PLAN | {"bucketry": bucketry}]}
    (tmp_path / "catalog.json").write_text(json.dumps({"services": [service]}))
    return read_catalog(
        msgspec.structs.replace(settings, catalog=Catalog(str(tmp_path / "catalog.json")))
    ).engine_names()


def test_plans_without_an_engine_go_to_the_only_one(tmp_path: Path) -> None:
    settings = loaded(tmp_path, f"[engines.gov]\n{AWS}")
    assert catalog_of(tmp_path, settings, {}) == read_catalog(settings).engine_names() == {"gov"}


def test_plans_without_an_engine_go_to_the_one_called_embedded_of_several(tmp_path: Path) -> None:
    settings = loaded(tmp_path, f"[engines.gov]\n{AWS}[engines.embedded]\nkind='embedded'\n")
    assert catalog_of(tmp_path, settings, {}) == read_catalog(settings).engine_names() == {"embedded"}
    assert catalog_of(tmp_path, settings, {"engine": "gov"}) == {"gov"}


def test_plans_have_to_name_one_of_several(tmp_path: Path) -> None:
    settings = loaded(tmp_path, f"[engines.gov]\n{AWS}[engines.c]\n{CEPH}")
    with pytest.raises(SettingsError, match=r"several engines \(c, gov\)"):
        read_catalog(settings)
    with pytest.raises(SettingsError, match=r"plans\[0\]\.bucketry\.engine"):
        catalog_of(tmp_path, settings, {})
    with pytest.raises(SettingsError, match="there is no engine 'nowhere'; this server has c, gov"):
        catalog_of(tmp_path, settings, {"engine": "nowhere"})


# ---- making them


def test_each_kind_that_can_be_set_can_be_made() -> None:
    assert set(engines.KINDS) == set(engine_settings.KINDS)


async def test_the_embedded_engine_is_made_of_the_servers_settings(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "[engines.here]\nkind='embedded'\nbucket_prefix='x-'\n[server]\nregion='r-1'\n")
    addresses = Addresses.of(settings, "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4")
    made = make_engines(settings, addresses, Admin(access_key_id="a", secret_access_key="s"))
    assert set(made) == {"here"}
    engine = made["here"]
    assert (engine.name, engine.bucket_name("i")[:2], engine.address("b").region) == ("here", "x-", "r-1")
    await engine.close()
