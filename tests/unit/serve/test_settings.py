"""Settings: the later source wins, and what is wrong is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from bucketry.serve.errors import SettingsError
from bucketry.serve.settings import load, split_address


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bucketry.toml"
    path.write_text(text)
    return path


def test_without_anything_all_is_default() -> None:
    settings = load(None, {})
    assert settings.server.s3_listen == "127.0.0.1:9000"
    assert settings.server.region == "us-east-1"
    assert settings.worker_count >= 1


def test_environment_wins_over_the_file_and_flags_over_both(tmp_path: Path) -> None:
    path = written(tmp_path, '[server]\nregion = "file-1"\nworkers = 2\ns3_listen = "127.0.0.1:1"\n')
    environment = {"BUCKETRY_SERVER__REGION": "env-1", "BUCKETRY_SERVER__WORKERS": "3"}
    settings = load(path, environment, {"server.region": "flag-1", "server.workers": None})
    assert (settings.server.region, settings.server.workers) == ("flag-1", 3)
    assert settings.server.s3_listen == "127.0.0.1:1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nport = 1\n", ["[server]", "'port'", "s3_listen"]),
        ("[servers]\n", ["'servers'", "server, database, broker", "engines.NAME"]),
        ('[server]\nworkers = "two"\n', ["[server] workers", "int"]),
        ("[server]\nworkers = -1\n", ["workers", "between"]),
        ('[server]\ns3_listen = "9000"\n', ["s3_listen", "HOST:PORT"]),
        ('[server]\nregion = "a b"\n', ["region", "letters"]),
        ('[server]\ntls_key = "k"\n', ["tls_certificate", "together"]),
        ('[server]\ns3_url = "host"\n', ["s3_url", "http://"]),
        ('[store]\ndefault_object_ownership = "Nobody"\n', ["default_object_ownership", "Nobody"]),
        ('[store]\ncustomer_keys_over_http = "yes"\n', ["customer_keys_over_http", "bool"]),
        ('[database]\nurl = "mysql://u:p@host/db"\n', ["[database] url", "mysql://", "postgresql://"]),
        ('[database]\nurl = "sqlite:///x"\n', ["[database] url", "empty"]),
        ('[database]\nurl = "host/db"\n', ["[database] url", "begin with postgresql://"]),
        ('[database]\nurl = "postgresql://host"\n', ["[database] url", "name one database"]),
        ('[database]\nurl = "postgresql://u:pw@host:port/db"\n', ["[database] url", "quoted"]),
        ("[server\n", ["not valid TOML"]),
        ("engines = 3\n", ["engines", "tables"]),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        load(written(tmp_path, text), {})
    for word in words:
        assert word in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "word"), [("BUCKETRY_SERVER__PORT", "PORT"), ("BUCKETRY_SERVR__REGION", "servr")], ids=["key", "section"]
)
def test_a_wrong_variable_is_refused_by_name(name: str, word: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(None, {name: "1"})
    assert name in str(refused.value)
    assert word.lower() in str(refused.value).lower()


@pytest.mark.parametrize(("text", "truth"), [("true", True), ("False", False)])
def test_a_variable_may_be_a_truth(text: str, truth: bool) -> None:
    settings = load(None, {"BUCKETRY_STORE__CUSTOMER_KEYS_OVER_HTTP": text})
    assert settings.store.customer_keys_over_http is truth
    with pytest.raises(SettingsError, match="customer_keys_over_http"):
        load(None, {"BUCKETRY_STORE__CUSTOMER_KEYS_OVER_HTTP": "1"})


def test_other_variables_are_left_alone() -> None:
    assert load(None, {"BUCKETRY_DATA": "/x", "BUCKETRY_URL": "u", "PATH": "p"}) == load(None, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"missing\.toml"):
        load(tmp_path / "missing.toml", {})


@pytest.mark.parametrize(
    ("text", "place"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:80", ("::1", 80)), ("h.example:65535", ("h.example", 65535))],
)
def test_addresses(text: str, place: tuple[str, int]) -> None:
    assert split_address(text, "x") == place


@pytest.mark.parametrize("text", ["", ":1", "h", "h:", "h:70000", "h:-1", "h:x"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(SettingsError, match="HOST:PORT"):
        split_address(text, "[server] s3_listen")


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@h/db", "postgres://h:5433/db?sslmode=require", "postgresql:///db?host=/run"]
)
def test_a_database_is_named_by_a_url(url: str) -> None:
    settings = load(None, {"BUCKETRY_DATABASE__URL": url})
    assert settings.database.url == url


@pytest.mark.parametrize("password", ["hun/ter2", "hun?ter2", "hun#ter2", "hun@ter2", "hun:ter2"])
def test_the_databases_password_is_never_shown(password: str) -> None:
    """Quoted or not, in a refusal or in a log of the settings."""
    url = f"postgresql://user:{password}@host:x/db"
    with pytest.raises(SettingsError) as refused:
        load(None, {"BUCKETRY_DATABASE__URL": url})
    assert "ter2" not in str(refused.value)
    assert "ter2" not in repr(load(None, {"BUCKETRY_DATABASE__URL": "postgresql://user:hunter2@host/db"}))
