"""What `-c` and `-t` take."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from bucketry.cli.errors import USAGE, CliError
from bucketry.cli.parameters import read_parameters, read_tags


def test_an_object_in_line() -> None:
    assert read_parameters(' {"versioning": true}') == {"versioning": True}


def test_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_bytes(b'\xef\xbb\xbf{"a": [1]}\n')
    assert read_parameters(str(file)) == {"a": [1]}


def test_a_dash_reads_stdin(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"a": 1}'))
    assert read_parameters("-") == {"a": 1}


def test_not_given_is_not_empty() -> None:
    assert read_parameters(None) is None
    assert read_parameters("{}") == {}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('{"a": ', "not valid JSON"),
        ('{"a": 1,}', "line 1, column"),
        ("{'a': 1}", "not valid JSON"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1, "a": 2}', "'a' is given twice"),
        ("[1]", "not an object"),
        ('"text"', "not an object"),
        ("[" * 100_000, "not valid JSON"),
        ("no-such-file.json", "neither a JSON object nor an existing file"),
        ("/", "directory"),
        ('{"a": "' + "x" * 2**20 + '"}', "longer than 1 MiB"),
    ],
)
def test_what_is_no_object_is_refused_with_the_reason(value: str, reason: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CliError) as refused:
        read_parameters(value)
    assert refused.value.exit_code == USAGE
    assert reason.lower() in refused.value.line.lower()
    assert len(refused.value.line) < 400


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_bytes(b"\xff\xfe{\x00")
    with pytest.raises(CliError, match="UTF-8"):
        read_parameters(str(file))


@pytest.mark.parametrize(
    ("value", "tags"), [(None, None), ("", []), ("a", ["a"]), ("list, of,, tags ", ["list", "of", "tags"])]
)
def test_tags_are_split_at_commas(value: str | None, tags: list[str] | None) -> None:
    assert read_tags(value) == tags
