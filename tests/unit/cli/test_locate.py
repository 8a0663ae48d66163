"""How a command finds its server."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bucketry.cli.errors import FAILED, NOT_ALLOWED, CliError
from bucketry.cli.locate import default_data_folder, find_server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


def make_data(folder: Path, url: str, secret: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "admin.json").write_text(json.dumps({"api_url": url, "token": secret or "t0ken", "region": "us-east-1"}))
    return folder


def find(home: Path, here: Path, data: Path | None = None, **environment: str) -> str:
    address = find_server(str(data) if data else None, {"HOME": str(home), **environment}, here)
    return address.url


def test_the_option_goes_before_everything(home: Path, here: Path, tmp_path: Path) -> None:
    named = make_data(tmp_path / "named", "http://named")
    make_data(here / "bucketry-data", "http://local")
    assert find(home, here, named, BUCKETRY_URL="http://env", BUCKETRY_TOKEN="t", BUCKETRY_DATA="x") == "http://named"


def test_url_and_token_go_before_data_folders(home: Path, here: Path, tmp_path: Path) -> None:
    named = make_data(tmp_path / "named", "http://named")
    make_data(here / "bucketry-data", "http://local")
    found = find(home, here, BUCKETRY_URL="http://env", BUCKETRY_TOKEN="t", BUCKETRY_DATA=str(named))
    assert found == "http://env"


def test_the_variable_goes_before_the_folder_here(home: Path, here: Path, tmp_path: Path) -> None:
    named = make_data(tmp_path / "named", "http://named")
    make_data(here / "bucketry-data", "http://local")
    assert find(home, here, BUCKETRY_DATA=str(named)) == "http://named"


def test_the_folder_here_goes_before_the_platforms(home: Path, here: Path) -> None:
    make_data(here / "bucketry-data", "http://local")
    make_data(default_data_folder({"HOME": str(home)}), "http://default")
    assert find(home, here) == "http://local"


def test_the_platforms_folder_is_the_last(home: Path, here: Path) -> None:
    make_data(default_data_folder({"HOME": str(home)}), "http://default")
    assert find(home, here) == "http://default"


def test_a_folder_of_another_user_is_passed_over(home: Path, here: Path, monkeypatch, capsys) -> None:
    make_data(here / "bucketry-data", "http://local")
    make_data(default_data_folder({"HOME": str(home)}), "http://default")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert find(home, here) == "http://default"
    assert "another user" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"HOME": "/h"}, "linux", "/h/.local/share/bucketry"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/x"}, "linux", "/x/bucketry"),
        ({"HOME": "/h", "XDG_DATA_HOME": "relative"}, "linux", "/h/.local/share/bucketry"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Application Support/bucketry"),
    ],
)
def test_the_platforms_folder(environment: dict[str, str], platform: str, expected: str) -> None:
    assert str(default_data_folder(environment, platform)) == expected


def test_no_server_says_where_it_was_looked_for_and_what_to_do(home: Path, here: Path) -> None:
    with pytest.raises(CliError) as failed:
        find(home, here)
    assert failed.value.exit_code == FAILED
    for part in ("bucketry-data", str(home), "bucketry serve", "--data", "BUCKETRY_URL"):
        assert part in failed.value.line


def test_a_url_without_token_is_refused(home: Path, here: Path) -> None:
    with pytest.raises(CliError, match="BUCKETRY_TOKEN") as failed:
        find(home, here, BUCKETRY_URL="http://env")
    assert failed.value.exit_code == NOT_ALLOWED


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "\xff"])
def test_a_damaged_admin_file_is_one_clear_line(home: Path, here: Path, tmp_path: Path, content: str) -> None:
    data = make_data(tmp_path / "data", "http://x")
    (data / "admin.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(CliError, match="not a JSON object") as failed:
        find(home, here, data)
    assert "\n" not in failed.value.line
    assert f"bucketry serve --data {data}" in failed.value.line


@pytest.mark.parametrize(
    "values", [{}, {"api_url": "http://x"}, {"api_url": "", "token": "t"}, {"api_url": 1, "token": 2}]
)
def test_an_admin_file_without_address_or_token_is_refused(
    home: Path, here: Path, tmp_path: Path, values: dict[str, object]
) -> None:
    data = make_data(tmp_path / "data", "http://x")
    (data / "admin.json").write_text(json.dumps(values))
    with pytest.raises(CliError, match="api_url"):
        find(home, here, data)


def test_a_data_folder_without_server_says_how_to_start_one(home: Path, here: Path, tmp_path: Path) -> None:
    with pytest.raises(CliError, match="does not exist") as failed:
        find(home, here, tmp_path / "nowhere")
    assert "bucketry serve --data" in failed.value.line


def test_an_address_does_not_show_its_token(home: Path, here: Path, tmp_path: Path) -> None:
    address = find_server(str(make_data(tmp_path / "data", "http://x", "s3cr3t")), {"HOME": str(home)}, here)
    assert "s3cr3t" not in repr(address)
