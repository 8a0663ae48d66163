"""The remembered org and space."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.cli.errors import CliError
from bucketry.cli.session import config_file, effective_target
from bucketry.cli.target_file import Target, read_target, write_target


def test_nothing_remembered_is_the_default(tmp_path: Path) -> None:
    assert read_target(tmp_path / "none" / "config.toml") == Target("default", "default")


def test_what_is_written_is_for_the_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "config.toml"
    write_target(file, Target("acme", "backups"))
    assert read_target(file) == Target("acme", "backups")
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == ["config.toml"]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_name_comes_back_as_it_was(tmp_path_factory, org: str, space: str) -> None:
    file = tmp_path_factory.mktemp("config") / "config.toml"
    write_target(file, Target(org, space))
    assert read_target(file) == Target(org, space)


@pytest.mark.parametrize("content", ["[target", "target = 1", "[target]\norg = 1", '[target]\norg = ""', "\xff"])
def test_a_damaged_file_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(CliError) as failed:
        read_target(file)
    assert str(file) in failed.value.line


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CliError, match="can't be remembered"):
        write_target(tmp_path / "file" / "config.toml", Target())


def test_variables_go_before_what_is_remembered(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    write_target(config_file(environment), Target("acme", "backups"))
    assert effective_target(environment) == Target("acme", "backups")
    assert effective_target(environment | {"BUCKETRY_SPACE": "other"}) == Target("acme", "other")
    assert effective_target(environment | {"BUCKETRY_ORG": "acme"}) == Target("acme", "backups")
    assert effective_target(environment | {"BUCKETRY_ORG": "umbrella"}) == Target("umbrella", "default")
